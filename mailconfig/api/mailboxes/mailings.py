"""Mailings as resources: mail of mailboxes, queued and told of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.core.exceptions import ValidationError as InvalidAddress
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from mailconfig import delivery
from mailconfig.api.common import queries
from mailconfig.api.common.locations import url_of
from mailconfig.api.common.schema import describe
from mailconfig.exceptions import InvalidMessage, KeyReused
from mailconfig.models import Mailbox, Message, Recipient
from mailconfig.models.access import holds
from mailconfig.models.validators import validate_address

from . import listing as listings
from .filters import Filter, read_key, read_moment
from .listing import Listing, QueryRefused
from .mailing_serializers import (
    MAILING_ATTRIBUTES,
    MAILING_TYPE,
    RECIPIENT_TYPE,
    SHOWN_OF_MAILING,
    STATES,
    WRITABLE_OF_MAILING,
    MailingAttributes,
    MailingDocument,
    MailingPage,
    NewMailingDocument,
    RecipientAttributes,
    RecipientPage,
)
from .problem_serializers import MailboxProblem
from .reading import TYPE, Sent, key_of, read_document, read_linkage
from .related import RelatedView, mailbox_relationship, resource
from .resources import Shape, time_of

BODIES = frozenset({"bodyHtml", "bodyText"})
MOST_BODIES = 100
"""Mailings whose texts one answer holds."""
MOST_KEY = 255
KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": MOST_KEY},
    OpenApiParameter.HEADER,
    description="Sent again with the same mailing, nothing more is queued, and the first one is answered.",
)
AT_MAILBOX = "/data/relationships/mailbox"


def _state(text: str) -> tuple[str, str]:
    if text not in STATES:
        raise ValueError
    return text, text


RECIPIENT_FIELDS = tuple(RecipientAttributes().fields)
MAILINGS = Listing(
    type=MAILING_TYPE,
    fields=(*SHOWN_OF_MAILING, "mailbox", "recipients"),
    include=("mailbox", "recipients"),
    others={TYPE: listings.MAILBOXES.fields, RECIPIENT_TYPE: RECIPIENT_FIELDS},
    filters={
        "filter[id]": Filter("pk", read_key),
        "filter[createdAt]": Filter("created_at", read_moment),
        "filter[mailbox][id]": Filter("home_key", read_key),
        "filter[scheduledAt]": Filter("mailing_scheduled_at", read_moment),
        "filter[state]": Filter("mailing_state", _state),
    },
    sortable={"createdAt": "created_at", "scheduledAt": "mailing_scheduled_at", "state": "mailing_state"},
)
RECIPIENTS = Listing(
    type=RECIPIENT_TYPE, fields=RECIPIENT_FIELDS, others={}, filters={}, sortable={"id": "pk"}
)


class MailingsView(RelatedView):
    """Mailings of the mailboxes that one sees; test mails are none."""

    listing = MAILINGS
    shows_bodies = True
    """Whether texts are answered unless the shape leaves them out."""

    def rows(self) -> Any:
        """The mailings of these mailboxes."""
        seen = self.permitted("view").order_by().values("pk")
        return delivery.of_accounts(_mailings(), seen)

    def draw(self, rows: list[Message], shape: Shape) -> list[dict[str, Any]]:
        """The resources of some mailings."""
        facts = delivery.mailing_facts(rows)
        bodies = self._bodies(rows, shape)
        recipients = self._recipients(rows) if "recipients" in (shape.include or ()) else None
        return [self._resource(row, facts[row.pk], bodies, recipients, shape) for row in rows]

    def _resource(
        self,
        row: Message,
        facts: delivery.MailingFacts,
        bodies: Mapping[int, delivery.Texts] | None,
        recipients: Mapping[int, list[int]] | None,
        shape: Shape,
    ) -> dict[str, Any]:
        here = url_of(self.request, "mailconfig-mailing", mailing_id=row.pk)
        known: Any = row
        attributes: dict[str, Any] = {
            "createdAt": time_of(row.created_at),
            "deliveredAt": time_of(facts.delivered_at),
            "errorReason": facts.reason or None,
            "mailboxAddress": known.mailing.address if hasattr(known, "mailing") else row.home.sender,
            "messageId": row.message_id,
            "retryAt": time_of(facts.retry_at),
            "retryCount": row.attempts,
            "scheduledAt": time_of(known.mailing_scheduled_at),
            "state": str(facts.state),
            "stateChangedAt": time_of(facts.changed_at),
            "subject": row.subject or None,
        }
        if bodies is not None:
            texts = bodies.get(row.pk)
            attributes |= {
                "bodyHtml": (texts and texts.html) or None,
                "bodyText": (texts and texts.plain) or None,
            }
        linked: dict[str, Any] = {"links": {"related": f"{here}/recipients"}}
        if recipients is not None:
            linked["data"] = [{"type": RECIPIENT_TYPE, "id": key} for key in recipients.get(row.pk, ())]
        return resource(
            MAILING_TYPE,
            row.pk,
            attributes=dict(sorted(attributes.items())),
            relationships={
                "mailbox": mailbox_relationship(row.home_id, self.request),
                "recipients": linked,
            },
            here=here,
            shape=shape,
        )

    def _bodies(self, rows: list[Message], shape: Shape) -> Mapping[int, delivery.Texts] | None:
        """The texts that the caller may see; ``None``: they are not wanted.

        Raises:
            QueryRefused: of too many.
        """
        wanted = self.shows_bodies if shape.fields is None else bool(BODIES & shape.fields)
        if not wanted:
            return None
        if len(rows) > MOST_BODIES:
            raise QueryRefused(
                {
                    f"fields[{MAILING_TYPE}]": [
                        _("Texts are answered with at most %(most)d mailings.") % {"most": MOST_BODIES}
                    ]
                }
            )
        sees_all = holds(self.principal, "view_content")
        return delivery.read_texts(
            messages=[row for row in rows if sees_all or row.home.owner_id == self.principal.pk]
        )

    def _recipients(self, rows: Iterable[Message]) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        keys = Recipient.objects.filter(message__in=[row.pk for row in rows]).order_by("pk")
        for message_id, key in keys.values_list("message_id", "pk"):
            found.setdefault(message_id, []).append(key)
        return found

    def included(self, rows: Iterable[Message], shape: Shape) -> list[dict[str, Any]]:
        """The mailboxes and recipients of some mailings."""
        rows = list(rows)
        wanted = shape.include or ()
        found: list[dict[str, Any]] = []
        if "mailbox" in wanted:
            found += self.included_mailboxes({row.home_id for row in rows}, shape)
        if "recipients" in wanted:
            recipients = Recipient.objects.filter(message__in=[row.pk for row in rows]).order_by("pk")
            found += recipient_resources(list(recipients), shape.of(RECIPIENT_TYPE))
        return found


def _mailings() -> Any:
    rows = Message.objects.filter(is_test=False).select_related("account", "failed_over_from", "mailing")
    return delivery.with_mailing_states(rows.defer("account__secret", "failed_over_from__secret"))


def recipient_resources(recipients: list[Recipient], shape: Shape) -> list[dict[str, Any]]:
    """Recipients, as far as they are wanted."""
    states = delivery.recipient_states(recipients)
    found = []
    for one in recipients:
        state, reason = states[one.pk]
        attributes = {
            "address": one.address,
            "errorReason": reason or None,
            "state": str(state),
            "statusCode": one.enhanced_code or None,
        }
        wanted = {name: value for name, value in attributes.items() if shape.wants(name)}
        found.append({"type": RECIPIENT_TYPE, "id": one.pk, "attributes": wanted})
    return found


def _bad_addresses(recipients: list[str]) -> dict[str, list[str]]:
    """The reasons against each that is no address, by its place in the document."""
    errors = {}
    for place, address in enumerate(recipients):
        try:
            validate_address(address)
        except InvalidAddress as error:
            errors[_place(place)] = error.messages
    return errors


def _check_way_out(recipients: list[str]) -> None:
    """Refuse a mailing that nobody could opt out of by a link.

    Raises:
        ValidationError: it has several recipients, who could opt out for each other, or there is nowhere to lead.
    """
    if len({recipient.lower() for recipient in recipients}) > 1:
        words = _("The mail can be opted out of only if it has one recipient.")
        raise ValidationError({"unsubscribe": [words]})
    if not delivery.public_url("/"):
        words = _(
            "This site does not say under which address the world reaches it, so no link can lead here."
        )
        raise ValidationError({"unsubscribe": [words]})


def _place(number: int) -> str:
    return f"/data/attributes/recipients/{number}"


def _idempotency_key(request: Request) -> str | None:
    """The key of the call; an empty one would protect from nothing.

    Raises:
        ValidationError: it can be none.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (key.strip() and len(key) <= MOST_KEY and key.isprintable()):
        words = _("An Idempotency-Key has 1 to %(most)d characters that can be printed.")
        raise ValidationError({"": [words % {"most": MOST_KEY}]})
    return key


class MailingList(MailingsView):
    """The mailings that one sees, and a new one."""

    shows_bodies = False

    @describe(
        operation_id="listMailings",
        summary="List mailings",
        parameters=queries.documented(*MAILINGS.parameters_of_list),
        responses={200: MailingPage, 422: MailboxProblem},
    )
    def get(self, request: Request) -> Response:
        """A page of mailings, and where the other pages are. Their texts only if fields[mailing] names them."""
        return self.answer_page(self.rows())

    @describe(
        operation_id="createMailing",
        summary="Queue a mailing",
        parameters=[*queries.documented(*MAILINGS.parameters_of_one), KEY],
        request=NewMailingDocument,
        responses={201: MailingDocument, 409: MailboxProblem, 422: MailboxProblem},
    )
    def post(self, request: Request) -> Response:
        """Queue a mail of a mailbox. It goes out within the mailbox's limits; where the mailbox is disabled, it waits and says so."""
        shape = MAILINGS.shape_of(listings.read(request, MAILINGS.one))
        sent = read_document(
            request.data,
            key=None,
            attributes=MAILING_ATTRIBUTES,
            relationships={"mailbox", "recipients"},
            kind=MAILING_TYPE,
        )
        key = _idempotency_key(request)
        mailbox = self._sender(sent)
        new = self._new(sent, mailbox)
        try:
            message = delivery.queue_mailing(mailbox=mailbox, idempotency_key=key, **new)
        except KeyReused:
            raise ValidationError({"": [_("Another mailing came with this Idempotency-Key.")]}) from None
        except InvalidMessage:
            raise ValidationError({"/data/attributes": [_("This mail cannot be sent as it is.")]}) from None
        self.shows_bodies = True
        row = _mailings().get(pk=message.pk)
        location = url_of(request, "mailconfig-mailing", mailing_id=message.pk)
        return Response(self.document_about(row, shape), status=201, headers={"Location": location})

    def _sender(self, sent: Sent) -> Mailbox:
        """The mailbox that was named, if the caller may send from it.

        Raises:
            ValidationError: there is none that the caller could know of.
            PermissionDenied: the caller may see it, and no more.
        """
        if "mailbox" not in sent.relationships:
            raise ValidationError({AT_MAILBOX: [_("This is needed.")]})
        key = read_linkage(sent.relationships["mailbox"], "mailbox", kind=TYPE)
        try:
            return self.mailbox(str(key), "change")
        except NotFound:
            raise ValidationError({f"{AT_MAILBOX}/data/id": [_("There is no such mailbox.")]}) from None
        except PermissionDenied:
            raise PermissionDenied(_("You may not send from this mailbox.")) from None

    def _new(self, sent: Sent, mailbox: Mailbox) -> dict[str, Any]:
        """Values of the mail that is to be queued.

        Raises:
            ValidationError: a value that cannot be.
        """
        given = {name: value for name, value in sent.attributes.items() if name in WRITABLE_OF_MAILING}
        serializer = MailingAttributes(data=given)
        errors: dict[str, Any] = {} if serializer.is_valid() else dict(serializer.errors)
        if given.get("recipients") and "recipients" not in errors:
            errors |= _bad_addresses(given["recipients"])
        elif isinstance(errors.get("recipients"), dict):
            errors |= {_place(number): words for number, words in errors.pop("recipients").items()}
        if errors:
            raise ValidationError(errors)
        values = serializer.validated_data
        text, html = values.get("bodyText") or "", values.get("bodyHtml") or ""
        if not text and not html:
            raise ValidationError({"bodyText": [_("This is needed.")]})
        address = values.get("mailboxAddress") or ""
        if address and not delivery.may_send_from(mailbox, address):
            words = _("This is neither the mailbox's address nor an alias that may send.")
            raise ValidationError({"mailboxAddress": [words]})
        if not address and not mailbox.sender:
            raise ValidationError({"mailboxAddress": [_("The mailbox has no address.")]})
        unsubscribe = bool(values.get("unsubscribe"))
        if unsubscribe:
            _check_way_out(values["recipients"])
        return {
            "unsubscribe": unsubscribe,
            "recipients": values["recipients"],
            "subject": values.get("subject") or "",
            "text": text,
            "html": html,
            "address": address,
            "scheduled_at": values.get("scheduledAt"),
        }


class MailingsOfMailbox(MailingsView):
    """The mailings of one mailbox."""

    shows_bodies = False

    @describe(
        operation_id="listMailingsOfMailbox",
        summary="List the mailings of a mailbox",
        parameters=queries.documented(*MAILINGS.parameters_of_list),
        responses={200: MailingPage, 422: MailboxProblem},
    )
    def get(self, request: Request, mailbox_id: str) -> Response:
        """A page of mailings, and where the other pages are. Their texts only if fields[mailing] names them."""
        mailbox = self.mailbox(mailbox_id, "view")
        return self.answer_page(delivery.of_accounts(_mailings(), [mailbox.pk]))


class MailingDetail(MailingsView):
    """One mailing."""

    @describe(
        operation_id="getMailing",
        summary="Read a mailing",
        parameters=queries.documented(*MAILINGS.parameters_of_one),
        responses={200: MailingDocument, 422: MailboxProblem},
    )
    def get(self, request: Request, mailing_id: str) -> Response:
        """The mailing, and what became of it."""
        return self.answer_one(self.rows(), mailing_id)


class MailingRecipients(MailingsView):
    """The recipients of one mailing."""

    listing = RECIPIENTS

    @describe(
        operation_id="listMailingRecipients",
        summary="List the recipients of a mailing",
        parameters=queries.documented(*RECIPIENTS.parameters_of_list),
        responses={200: RecipientPage, 422: MailboxProblem},
    )
    def get(self, request: Request, mailing_id: str) -> Response:
        """A page of recipients, and what became of the mail to each."""
        key = key_of(mailing_id)
        if key is None or not self.rows().filter(pk=key).exists():
            raise NotFound
        return self.answer_page(Recipient.objects.filter(message_id=key))

    def draw(self, rows: list[Any], shape: Shape) -> list[dict[str, Any]]:
        """The resources of some recipients."""
        return recipient_resources(cast("list[Recipient]", rows), shape)
