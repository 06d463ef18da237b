"""The calls of the outbound e-mails' surface."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from mailconfig import delivery
from mailconfig.api.common import queries
from mailconfig.api.common.errors import Problem, ProblemCode, of_check
from mailconfig.api.common.schema import describe
from mailconfig.api.common.views import SurfaceView
from mailconfig.models import Account, OutboundEmail, Scope, Tenant
from mailconfig.models.access import Action
from mailconfig.models.account_queries import AccountQuerySet

from . import listing
from .serializers import (
    OutboundEmailDeleted,
    OutboundEmailPage,
    OutboundEmailProblem,
    OutboundEmailRecord,
    OutboundEmailSerializer,
    OverrideTestOutcome,
    OverrideTestSerializer,
    record_of,
    set_changes,
)

MAX_NUM = 20
MOST = 1000
PARAMETERS = frozenset({"max_num", "offset", "order_by", "fields"})
MADE_BY_APPLICATION = frozenset({Scope.SYSTEM, Scope.SYSTEM_OVERRIDE})
OWN_CREDENTIALS = frozenset({"username", "secret"})
"""What of an override its owner may change."""

CODES = {
    ProblemCode.NEED_LOGIN: (401, "need_login"),
    ProblemCode.NOT_ALLOWED: (403, "not_authorized"),
    ProblemCode.NOT_FOUND: (404, "not_found"),
    ProblemCode.METHOD_NOT_ALLOWED: (405, "invalid_request"),
    ProblemCode.NOT_ACCEPTABLE: (406, "invalid_request"),
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: (415, "invalid_request"),
    ProblemCode.TOO_LARGE: (413, "invalid_request"),
    ProblemCode.MALFORMED: (400, "invalid_request"),
    ProblemCode.MISSING: (422, "missing_parameter"),
    ProblemCode.INVALID: (422, "invalid_parameter"),
    ProblemCode.CHECK_FAILED: (422, "smtp_server_error"),
    ProblemCode.IN_USE: (422, "in_use"),
    ProblemCode.CHANGED: (422, "edit_conflict"),
    ProblemCode.THROTTLED: (429, "too_many_requests"),
    ProblemCode.UNAVAILABLE: (503, "service_unavailable"),
}


class OutboundEmailView(SurfaceView):
    """The base: one's own accounts, with the model permission those of one's tenants."""

    surface = "outbound_email"
    path_parts = {
        **SurfaceView.path_parts,
        "record_id": ({"type": "string", "format": "uuid"}, "The account's id."),
    }
    secret_names = frozenset({"mail_smtppass"})
    problem_serializer = OutboundEmailProblem()
    wire_names = OutboundEmailSerializer.wire_names()
    never_answers = frozenset({411})  # a body without its length is a 400 here

    def render_problem(self, problem: Problem) -> tuple[int, object]:
        """``{"error", "error_message"}``; the message names the fields that are to blame."""
        status, code = CODES[problem.code]
        parts = [
            f"{name}: {one.message}" if name else one.message
            for name, several in problem.fields.items()
            for one in several
        ]
        message = " ".join(parts) or problem.message
        return status, {"error": code, "error_message": message + said_by_server(problem.check)}

    def permitted(self, action: Action) -> AccountQuerySet:
        """Return those with which the caller may do this."""
        rows = cast("AccountQuerySet", OutboundEmail.objects.select_related("owner", "tenant"))
        return rows.for_principal(self.principal, action)

    def account(self, record_id: str, action: Action) -> Account:
        """One of them.

        Raises:
            NotFound: there is none, or the caller may not even see it.
            PermissionDenied: the caller may see it, and no more.
        """
        key = _key(record_id)
        found = self.permitted(action).filter(uuid=key).first() if key else None
        if found is not None:
            return found
        if key and self.permitted("view").filter(uuid=key).exists():
            raise PermissionDenied
        raise NotFound


class OutboundEmailList(OutboundEmailView):
    """The accounts one sees, and a new one of one's own."""

    @describe(
        operation_id="listOutboundEmails",
        summary="List outbound e-mail accounts",
        parameters=queries.documented(
            (
                "max_num",
                queries.number_schema(least=1, most=MOST),
                f"How many; {MAX_NUM} if nothing is said.",
            ),
            ("offset", queries.number_schema(most=queries.BIGGEST), "How many are skipped."),
            ("order_by", listing.ordering_schema(), "Fields to sort by, each with :ASC or :DESC."),
            (
                "fields",
                listing.fields_schema(),
                "The keys that are wanted; id, _acl and _module always come.",
            ),
            ("filter[0][name]", {"type": "string"}, "Only those with this name. So with the other fields."),
            (
                "filter[0][name][$starts]",
                {"type": "string"},
                "So with $equals, $contains and $in (a,b), too.",
            ),
        ),
        responses={200: OutboundEmailPage, 422: OutboundEmailProblem},
    )
    def get(self, request: Request) -> Response:
        """A page of records, and where the next one begins."""
        parameters = queries.read(request, known=PARAMETERS, prefix=listing.PREFIX)
        limit = queries.number(parameters, "max_num", default=MAX_NUM, least=1, most=MOST)
        offset = queries.number(parameters, "offset", default=0, most=queries.BIGGEST)
        wanted = listing.wanted_fields(parameters.get("fields"))
        rows = listing.with_servers(self.permitted("view")).filter(listing.filters(request))
        rows = rows.order_by(*listing.ordering(parameters.get("order_by", "")))
        page = list(rows[offset : offset + limit + 1])
        records = [
            {name: value for name, value in record.items() if name in wanted}
            for record in records_of(page[:limit])
        ]
        return Response({"next_offset": offset + limit if len(page) > limit else -1, "records": records})

    @describe(
        operation_id="createOutboundEmail",
        summary="Make an outbound e-mail account of one's own",
        description=(
            "The server is connected first, and logged in to if mail_smtpauth_req is true. If that fails, the "
            "answer is 422 smtp_server_error and nothing is stored. No mail is sent. Where only workers connect, the "
            "account is stored at once, and a worker checks it afterwards."
        ),
        request=OutboundEmailSerializer,
        responses={200: OutboundEmailRecord, 422: OutboundEmailProblem},
    )
    def post(self, request: Request) -> Response:
        """Connect with what was sent and store it for the caller."""
        _refuse_types_of_application(request.data, allowed=Scope.USER)
        serializer = OutboundEmailSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        account = OutboundEmail(owner_id=self.principal.pk, tenant=_only_tenant(self.principal))
        set_changes(serializer.changes({}), account)
        delivery.save_account(account=account, by=self.principal, prove=True, judge_sender=False)
        return Response(record_of(account, server=account))


class OutboundEmailDetail(OutboundEmailView):
    """One account."""

    @describe(
        operation_id="getOutboundEmail",
        summary="Read an outbound e-mail account",
        responses={200: OutboundEmailRecord},
    )
    def get(self, request: Request, record_id: str) -> Response:
        """The account, without its password."""
        (record,) = records_of([self.account(record_id, "view")])
        return Response(record)

    @describe(
        operation_id="updateOutboundEmail",
        summary="Change an outbound e-mail account",
        description=(
            "Absent fields stay. The server is connected first, with the stored password if none is sent; if that "
            "fails, the answer is 422 smtp_server_error and nothing is changed. Where server, port, encryption, "
            "login or user name change, the password has to come along. Where only workers connect, the change is "
            "stored at once, and a worker checks it afterwards."
        ),
        request=OutboundEmailSerializer(partial=True),
        responses={200: OutboundEmailRecord, 422: OutboundEmailProblem},
    )
    def put(self, request: Request, record_id: str) -> Response:
        """Change what was sent, after connecting with it."""
        account = self.account(record_id, "change")
        if account.scope == Scope.SYSTEM:
            raise PermissionDenied(_("The system account is changed by an administrator, in the admin."))
        _refuse_types_of_application(request.data, allowed=account.scope)
        serializer = OutboundEmailSerializer(account, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        (shown,) = records_of([account])
        changes = serializer.changes(shown)
        if account.scope == Scope.SYSTEM_OVERRIDE and not changes.keys() <= OWN_CREDENTIALS:
            others = sorted(self.wire_names[name] for name in changes.keys() - OWN_CREDENTIALS)
            words = _("Only mail_smtpuser and mail_smtppass may change here, not %(names)s.")
            raise PermissionDenied(words % {"names": ", ".join(others)})
        set_changes(changes, account)
        delivery.save_account(account=account, by=self.principal, prove=True, judge_sender=False)
        (record,) = records_of([account])
        return Response(record)

    @describe(
        operation_id="deleteOutboundEmail",
        summary="Delete an outbound e-mail account",
        responses={200: OutboundEmailDeleted, 422: OutboundEmailProblem},
    )
    def delete(self, request: Request, record_id: str) -> Response:
        """Delete the account and wipe its password; refused while mail of it waits."""
        account = self.account(record_id, "delete")
        if account.scope in MADE_BY_APPLICATION:
            raise PermissionDenied(_("The application made this account; it cannot be deleted."))
        delivery.delete_account(account_id=account.pk, by=self.principal)
        return Response({"id": str(account.uuid)})


class OverrideTest(OutboundEmailView):
    """Credentials of one's own, tried with the system account's server."""

    wire_names = {
        "username": "mail_smtpuser",
        "secret": "mail_smtppass",
        "recipient": "to_address",
        "from_email": "from_address",
        "from_name": "name",
    }

    @describe(
        operation_id="testOutboundEmailOverride",
        summary="Send a test mail through the system account's server",
        description=(
            "Logs in at the server of the system account with what was sent and sends a short test mail. Nothing "
            "is stored, and a stored password is never used. A failure is told in a 200, too. Where only workers "
            "connect, the answer is 503: a worker is told ids, never passwords."
        ),
        request=OverrideTestSerializer,
        responses={200: OverrideTestOutcome, 422: OutboundEmailProblem},
    )
    def post(self, request: Request) -> Response:
        """Send the test mail now and say what came of it."""
        serializer = OverrideTestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = dict(serializer.validated_data)
        owner = self._owner(values.pop("user_id", None))
        recipient = values.pop("to_address")
        override = OutboundEmail(
            scope=Scope.SYSTEM_OVERRIDE, owner_id=owner.pk, tenant=_only_tenant(owner), **values
        )
        stored = OutboundEmail.objects.filter(
            scope=Scope.SYSTEM_OVERRIDE, owner_id=owner.pk, username=override.username, deleted_at=None
        )
        check = delivery.send_test_of_values(
            account=override,
            recipient=recipient,
            requested_by=self.principal,
            tenant=override.tenant,
            counts_for=stored.first(),
        )
        problem = of_check(check, user=self.principal)
        message = "" if check.ok else problem.message + said_by_server(problem.check)
        return Response({"status": check.ok, "errorMessage": message})

    def _owner(self, user_id: str | None) -> AbstractBaseUser:
        """Return the owner of the credentials: the caller's; a superuser may name somebody else.

        Raises:
            PermissionDenied: it is somebody else.
            ValidationError: nobody has this key.
        """
        if user_id is None or user_id == str(self.principal.pk):
            return self.principal
        if not getattr(self.principal, "is_superuser", False):
            raise PermissionDenied
        try:
            return get_user_model()._default_manager.get(pk=listing.user_key(user_id))
        except (ValueError, get_user_model().DoesNotExist):
            raise ValidationError({"user_id": [_("There is no such user.")]}) from None


def records_of(accounts: Sequence[Account]) -> list[dict[str, Any]]:
    """The accounts as they are answered, an override with the server of the system account."""
    overrides = any(account.scope == Scope.SYSTEM_OVERRIDE for account in accounts)
    system = Account.objects.kept().filter(scope=Scope.SYSTEM).first() if overrides else None
    return [
        record_of(account, server=system if system and account.scope == Scope.SYSTEM_OVERRIDE else account)
        for account in accounts
    ]


def said_by_server(check: Mapping[str, Any]) -> str:
    """The server's own words as an appendix; only staff has them in its view of a check."""
    words = check.get("server_text")
    return " " + _("The server said: %(words)s") % {"words": words} if words else ""


def _refuse_types_of_application(data: Any, *, allowed: str) -> None:
    """Before anything else is looked at: whether it is another kind of account than a user may have."""
    kind = data.get("type") if isinstance(data, Mapping) else None
    if isinstance(kind, str) and kind in MADE_BY_APPLICATION and kind != allowed:
        raise PermissionDenied(_("Accounts of this type are made by the application only."))


def _only_tenant(user: AbstractBaseUser) -> Tenant | None:
    """The active tenant of somebody who is a member of one only.

    With several nobody could say whose colleagues may see the account; then it is its owner's alone. A superuser
    belongs to what names them a member, not to all.
    """
    mine = list(Tenant.objects.filter(is_active=True, members=user.pk)[:2])
    return mine[0] if len(mine) == 1 else None


def _key(text: str) -> uuid.UUID | None:
    """The id as answers write it, or in capitals."""
    try:
        key = uuid.UUID(text)
    except ValueError:
        return None
    return key if str(key) == text.lower() else None
