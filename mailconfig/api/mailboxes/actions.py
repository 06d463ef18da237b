"""Actions of a mailbox: a test mail, a test of its sync, and the checks that workers make."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from mailconfig import delivery
from mailconfig.api.common import queries
from mailconfig.api.common.connection_checks import BY_A_WORKER, CheckView, accepted, is_for_worker
from mailconfig.api.common.errors import of_check
from mailconfig.api.common.schema import describe
from mailconfig.models import AccountKind, CheckKind, ConnectionCheck, Mailbox

from . import listing
from .problem_serializers import MailboxProblem
from .reading import WHOLE
from .resources import Shape
from .serializers import CheckDocument, MailboxDocument
from .views import MailboxesView, require_send_method, require_sync_method

PREFER = OpenApiParameter(
    "Prefer",
    {"type": "string", "example": "respond-async"},
    OpenApiParameter.HEADER,
    description="`respond-async`: have a worker do it, and answer at once where the check can be read (RFC 7240). "
    "Any other preference is ignored.",
)


def check_document(shown: dict[str, Any]) -> dict[str, Any]:
    """A check as a resource."""
    attributes = {name: value for name, value in shown.items() if name != "id"}
    return {"data": {"type": "check", "id": shown["id"], "attributes": attributes}}


def _require_no_document(request: Request) -> None:
    """Refuse values: an action works with those that are stored, and would seem to use these.

    Some clients send a document with every POST, empty or with no more than type and id in it.

    Raises:
        ValidationError: there are some.
    """
    document = request.data
    data: Any = None
    if isinstance(document, dict) and document.keys() <= {"data"}:
        data = document.get("data") or {}
    if not isinstance(data, dict) or data.keys() - {"type", "id"}:
        raise ValidationError({WHOLE: [_("This call takes no document.")]})


class Action(MailboxesView):
    """Something that is tried with a stored mailbox."""

    def hand_on(self, mailbox: Mailbox, kind: CheckKind, *, recipient: str = "") -> Response:
        """Have a worker do it."""
        check = delivery.request_check(
            account_id=mailbox.pk, kind=kind, recipient=recipient, requested_by=self.principal
        )
        response = accepted(self.request, check, route="mailconfig-mailbox-check")
        response.data = check_document(response.data)
        return response

    def tell(self, check: ConnectionCheck, shape: Shape) -> Response:
        """The mailbox, or what went wrong."""
        if check.ok:
            return Response(self.document(cast("int", check.account_id), shape))
        status, body = self.render_problem(of_check(check, user=self.principal).named(self.wire_names))
        return Response(body, status=status)


class TestSend(Action):
    """A test mail to the mailbox itself."""

    @describe(
        operation_id="testSendMailbox",
        summary="Send a test mail to the mailbox's own address",
        parameters=[*queries.documented(*listing.PARAMETERS_OF_ONE), PREFER],
        request=None,
        responses={
            200: MailboxDocument,
            202: OpenApiResponse(CheckDocument, description=BY_A_WORKER),
            422: MailboxProblem,
        },
    )
    def post(self, request: Request, mailbox_id: str) -> Response:
        """Send a short text of ours with what is stored, also where sending is disabled.

        sendSuccessAt or sendErroredAt tells of it.
        """
        shape = self.shape(request)
        mailbox = self.mailbox(mailbox_id, "change")
        _require_no_document(request)
        self.own_smtp_secret = mailbox.has_own_smtp_secret
        require_send_method(mailbox)
        if is_for_worker(request):
            return self.hand_on(mailbox, CheckKind.TEST_MAIL, recipient=mailbox.from_email)
        check = delivery.send_test_mail(
            account_id=mailbox.pk, recipient=mailbox.from_email, requested_by=self.principal
        )
        return self.tell(check, shape)


class TestSync(Action):
    """A test of the sync."""

    @describe(
        operation_id="testSyncMailbox",
        summary="Test whether a mailbox can be synced",
        parameters=[*queries.documented(*listing.PARAMETERS_OF_ONE), PREFER],
        request=None,
        responses={
            200: MailboxDocument,
            202: OpenApiResponse(CheckDocument, description=BY_A_WORKER),
            422: MailboxProblem,
        },
    )
    def post(self, request: Request, mailbox_id: str) -> Response:
        """Log in with what is stored and open the folder that is synced, also where syncing is disabled.

        Nothing is read or changed there. syncSuccessAt and syncFinishedAt, or syncErroredAt, tell of it.
        """
        shape = self.shape(request)
        mailbox = self.mailbox(mailbox_id, "change")
        _require_no_document(request)
        require_sync_method(mailbox)
        if is_for_worker(request):
            return self.hand_on(mailbox, CheckKind.SYNC)
        return self.tell(delivery.probe_sync(account_id=mailbox.pk, requested_by=self.principal), shape)


class MailboxCheck(MailboxesView, CheckView):
    """A test that a worker makes."""

    account_kind = AccountKind.MAILBOX

    def checks(self) -> QuerySet[ConnectionCheck]:
        """The checks of mailboxes that one may see."""
        return super().checks().filter(account__in=self.permitted("view").order_by().values("pk"))

    @describe(summary="Read a check that was asked for", responses={200: CheckDocument})
    def get(self, request: Request, check_id: str, **kwargs: Any) -> Response:
        """The state of the check; 404 for everybody else's."""
        response = super().get(request, check_id, **kwargs)
        response.data = check_document({**response.data, "field": self.attribute_of(response.data["field"])})
        return response
