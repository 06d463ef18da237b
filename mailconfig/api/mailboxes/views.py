"""The base of the mailboxes' surface: who may do what, what is answered, and what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

from django.contrib.auth import get_user_model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from mailconfig import delivery
from mailconfig.api.common.errors import FieldProblem, Problem, ProblemCode
from mailconfig.api.common.views import SurfaceView
from mailconfig.exceptions import NotProved
from mailconfig.models import AccountKind, CheckKind, Mailbox, Tenant
from mailconfig.models.access import Action, has_permission
from mailconfig.models.account_queries import AccountQuerySet
from mailconfig.models.choices import MailboxSendMethod

from . import listing
from .media import JSONAPINegotiation, JSONAPIParser, JSONAPIRenderer
from .problem_serializers import MailboxProblem
from .reading import BIGGEST_KEY, WHOLE, Sent, key_of, read_linkage
from .resources import (
    Rights,
    Shape,
    included_users,
    mailbox_resource,
)
from .serializers import WRITABLE, MailboxAttributes
from .writing import TOLD_OF, write_attributes

CONFLICT = "conflict"
IDS = {
    ProblemCode.NEED_LOGIN: (401, "unauthorizedRequest"),
    ProblemCode.NOT_ALLOWED: (403, "unauthorizedRequest"),
    ProblemCode.NOT_FOUND: (404, "resourceNotFound"),
    ProblemCode.METHOD_NOT_ALLOWED: (405, "methodNotAllowed"),
    ProblemCode.NOT_ACCEPTABLE: (406, "notAcceptable"),
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: (415, "unsupportedMediaType"),
    ProblemCode.TOO_LARGE: (413, "requestTooLarge"),
    ProblemCode.MISSING: (422, "validationError"),
    ProblemCode.INVALID: (422, "validationError"),
    ProblemCode.CHECK_FAILED: (422, "validationError"),
    ProblemCode.IN_USE: (422, "resourceInUse"),
    ProblemCode.CHANGED: (422, "editConflict"),
    ProblemCode.THROTTLED: (429, "rateLimitExceeded"),
    ProblemCode.UNAVAILABLE: (503, "serviceUnavailable"),
}
"""All but what is malformed, which keeps its status."""
TITLES = {
    "unauthorizedRequest": gettext_lazy("You may not do this"),
    "resourceNotFound": gettext_lazy("Not found"),
    "methodNotAllowed": gettext_lazy("There is no such method here"),
    "notAcceptable": gettext_lazy("Only JSON:API is answered"),
    "unsupportedMediaType": gettext_lazy("Only JSON:API is taken"),
    "requestTooLarge": gettext_lazy("The request is too large"),
    "malformedRequest": gettext_lazy("The request cannot be read"),
    "validationError": gettext_lazy("A value is not valid"),
    "resourceInUse": gettext_lazy("Mail of this mailbox waits"),
    "editConflict": gettext_lazy("Somebody else changed it"),
    "rateLimitExceeded": gettext_lazy("Too many requests"),
    "serviceUnavailable": gettext_lazy("Not available now"),
    CONFLICT: gettext_lazy("This is another resource"),
}
NOT_AVAILABLE = gettext_lazy("This method is not available on this server.")
NO_SEND_METHOD = gettext_lazy("Nothing is said of how the mailbox sends: name its mail server.")
NO_SYNC_METHOD = gettext_lazy("Nothing is said of how the mailbox is synced.")


class MailboxesView(SurfaceView):
    """The base: one's own mailboxes, with the model permission those of one's tenants."""

    surface = "mailboxes"
    path_parts = {
        **SurfaceView.path_parts,
        "mailbox_id": ({"type": "integer", "minimum": 1, "maximum": BIGGEST_KEY}, "The mailbox's id."),
    }
    secret_names = frozenset({"password", "smtpPassword", "sendgridApiKey"})
    problem_serializer = MailboxProblem()
    wire_names: ClassVar[dict[str, str]] = dict(TOLD_OF)

    renderer_classes = (JSONAPIRenderer,)
    parser_classes = (JSONAPIParser,)
    content_negotiation_class = JSONAPINegotiation

    own_smtp_secret = False
    """Whether the account's password is smtpPassword, and not that of the mailbox."""
    failed_at = ""
    """The attribute that asked for a check which failed; empty: a call asked for it."""
    at_parameter = False
    at_pointer = ""

    def handle_exception(self, exc: Exception) -> Response:
        """Answer as the base does, and remember which part of the request is to blame."""
        self.at_parameter = isinstance(exc, listing.QueryRefused)
        self.at_pointer = getattr(exc, "pointer", "")
        return super().handle_exception(exc)

    def render_problem(self, problem: Problem) -> tuple[int, object]:
        """``{"errors": [{"id", "title", "detail", "source"}]}``: one for each value that is wrong."""
        status, name = IDS.get(problem.code, (problem.status, "malformedRequest"))
        if problem.status == 409 and problem.code is ProblemCode.INVALID:
            status, name = 409, CONFLICT
        shared = {"id": name, "title": str(TITLES[name])}
        errors = [
            {**shared, "detail": one.message, **self._source(field), **self._of_check(problem, field)}
            for field, several in (problem.fields or {"": [FieldProblem(problem.message)]}).items()
            for one in several
        ]
        return status, {"errors": errors}

    def _source(self, field: str) -> dict[str, Any]:
        if self.at_parameter:
            return {"source": {"parameter": field}}
        pointer = self.at_pointer or (f"/data/attributes/{self.failed_at}" if self.failed_at else "")
        if field == WHOLE:
            return {"source": {"pointer": ""}}  # RFC 6901 §5
        if not pointer and field:
            pointer = field if field.startswith("/") else f"/data/attributes/{self.attribute_of(field)}"
        return {"source": {"pointer": pointer}} if pointer else {}

    def attribute_of(self, field: str) -> str:
        """Return the attribute that says what a column does, of those that could be one of two."""
        if field == "secret":
            return "smtpPassword" if self.own_smtp_secret else "password"
        return field

    def _of_check(self, problem: Problem, field: str) -> dict[str, Any]:
        if problem.code is not ProblemCode.CHECK_FAILED:
            return {}
        meta = {"stage": problem.check["stage"], "attribute": self.attribute_of(field)}
        if words := problem.check.get("server_text"):
            meta["serverText"] = words
        return {"code": problem.check["code"], "meta": meta}

    # Who may do what

    def permitted(self, action: Action) -> AccountQuerySet:
        """Return the mailboxes with which the caller may do this."""
        return Mailbox.objects.prefetch_related("lanes", "event_webhooks").for_principal(
            self.principal, action
        )

    def mailbox(self, mailbox_id: str, action: Action) -> Mailbox:
        """One of them.

        Raises:
            NotFound: there is none, or the caller may not even see it.
            PermissionDenied: the caller may see it, and no more.
        """
        key = key_of(mailbox_id)
        found = self.permitted(action).filter(pk=key).first() if key else None
        if found is not None:
            return cast("Mailbox", found)
        if key and self.permitted("view").filter(pk=key).exists():
            raise PermissionDenied
        raise NotFound

    def rights(self, mailboxes: Sequence[Mailbox], shape: Shape) -> Rights:
        """Return those that the caller may change and, if that is asked for, delete."""
        return Rights(
            change=self._allowed("change", mailboxes),
            delete=self._allowed("delete", mailboxes) if shape.authorization else frozenset(),
        )

    def _allowed(self, action: Action, mailboxes: Iterable[Mailbox]) -> frozenset[int]:
        rows = self.permitted(action).filter(pk__in=[mailbox.pk for mailbox in mailboxes]).order_by()
        return frozenset(rows.values_list("pk", flat=True))

    # What is answered

    def shape(self, request: Request) -> Shape:
        """Return the parts that the caller wants of one mailbox."""
        return listing.shape_of(listing.read(request, listing.ONE))

    def resources(self, mailboxes: Sequence[Mailbox], shape: Shape) -> list[dict[str, Any]]:
        """The mailboxes as this caller may see them."""
        rights = self.rights(mailboxes, shape)
        return [mailbox_resource(one, self.request, shape=shape, rights=rights) for one in mailboxes]

    def document(self, key: int, shape: Shape) -> dict[str, Any]:
        """The document of a mailbox as it is stored now."""
        mailbox = cast("Mailbox", Mailbox.objects.prefetch_related("lanes", "event_webhooks").get(pk=key))
        return self.document_of(mailbox, shape)

    def document_of(self, mailbox: Mailbox, shape: Shape) -> dict[str, Any]:
        """The document of a mailbox that was just read."""
        (resource,) = self.resources([mailbox], shape)
        found: dict[str, Any] = {"data": resource}
        if shape.include is not None:
            found["included"] = included_users([mailbox], shape)
        return found

    # What is stored

    def store(self, mailbox: Mailbox, sent: Sent, *, shown: Mapping[str, Any]) -> None:
        """Store what was sent and is not so already.

        Args:
            shown: the attributes as they are answered; empty for a new mailbox.

        Raises:
            ValidationError, NotProved: nothing is stored.
        """
        adding = mailbox._state.adding
        changes = {
            name: value
            for name, value in sent.attributes.items()
            if name in WRITABLE and not (name in shown and _is_same(value, shown[name]))
        }
        serializer = MailboxAttributes(data=changes, partial=True)
        serializer.is_valid(raise_exception=True)
        values = dict(serializer.validated_data)
        proves, proves_sync = bool(values.pop("validateSend", False)), bool(values.pop("validateSync", False))
        self._set_owner(mailbox, sent)
        self.own_smtp_secret = mailbox.has_own_smtp_secret
        if adding or values:
            write_attributes(mailbox, values)
        self.own_smtp_secret = mailbox.has_own_smtp_secret
        if proves_sync:
            require_sync_method(mailbox)
        if proves:
            require_send_method(mailbox)
        if adding or values or proves or proves_sync or mailbox.would_be_held_by_another():
            try:
                delivery.save_account(
                    account=mailbox, by=self.principal, prove=proves, prove_sync=proves_sync
                )
            except NotProved as error:
                self.failed_at = "validateSync" if error.check.kind == CheckKind.SYNC else "validateSend"
                raise

    def _set_owner(self, mailbox: Mailbox, sent: Sent) -> None:
        """Set the user that was named; who names nobody makes a mailbox of their own.

        Raises:
            ValidationError: nobody has this key whom the caller could know of, or it shall be nobody's any more.
            PermissionDenied: it is somebody else, and the caller may make and change mailboxes of their own only.
        """
        adding = mailbox._state.adding
        key: Any = self.principal.pk
        if "user" in sent.relationships:
            key = read_linkage(sent.relationships["user"], "user")
        elif not adding:
            return
        if not adding and key == mailbox.owner_id:
            return
        if key is None:
            raise ValidationError(
                {"/data/relationships/user/data": [_("A mailbox is somebody's: name a user.")]}
            )
        if key != self.principal.pk:
            if not has_permission(self.principal, AccountKind.MAILBOX, "add" if adding else "change"):
                raise PermissionDenied(_("You may make and change mailboxes of your own only."))
            _require_user(key, self._tenants(), anybody=getattr(self.principal, "is_superuser", False))
        if adding:
            shared = list(self._tenants().filter(members=key)[:2])
            # With several nobody could say whose colleagues may see it; then it is its owner's alone.
            mailbox.tenant = shared[0] if len(shared) == 1 else None
        elif mailbox.tenant_id is not None:
            _require_user(key, Tenant.objects.filter(pk=mailbox.tenant_id), anybody=False)
        mailbox.owner_id = key

    def _tenants(self) -> Any:
        return Tenant.objects.for_principal(self.principal)


def _require_user(key: int, tenants: Any, *, anybody: bool) -> None:
    """Refuse who is no member of these tenants; nobody learns whether there is such a user elsewhere.

    Raises:
        ValidationError: at the relationship.
    """
    users = get_user_model()._default_manager.filter(pk=key)
    found = users if anybody else users.filter(mail_tenants__in=tenants)
    if not listing.has_integer_users() or not found.exists():
        raise ValidationError({"/data/relationships/user/data/id": [_("There is no such user.")]})


def require_send_method(mailbox: Mailbox) -> None:
    """Refuse to test a way to send that nothing here has.

    Raises:
        ValidationError: at sendMethod.
    """
    if not delivery.is_send_method(mailbox.send_method):
        words = NO_SEND_METHOD if mailbox.send_method == MailboxSendMethod.NONE else NOT_AVAILABLE
        raise ValidationError({"sendMethod": [words]})


def require_sync_method(mailbox: Mailbox) -> None:
    """Refuse to test a sync that nothing here does.

    Raises:
        ValidationError: at syncMethod.
    """
    if not delivery.is_sync_method(mailbox.sync_method):
        words = NOT_AVAILABLE if mailbox.sync_method else NO_SYNC_METHOD
        raise ValidationError({"syncMethod": [words]})


def _is_same(sent: Any, shown: Any) -> bool:
    """Return whether a value says what was read; ``true`` is not 1."""
    return type(sent) is type(shown) and bool(sent == shown)
