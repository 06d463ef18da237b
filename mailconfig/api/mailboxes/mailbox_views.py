"""Calls about mailboxes themselves."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from rest_framework.request import Request
from rest_framework.response import Response

from mailconfig import delivery
from mailconfig.api.common import queries
from mailconfig.api.common.locations import url_of
from mailconfig.api.common.schema import describe
from mailconfig.models import Mailbox

from . import listing
from .problem_serializers import MailboxProblem
from .reading import USER_TYPE, read_document
from .resources import ALL_RELATIONSHIPS, RELATIONSHIPS, attributes_of, included_users, user_resource
from .serializers import (
    ATTRIBUTES,
    ChangedMailboxDocument,
    MailboxDocument,
    MailboxPage,
    NewMailboxDocument,
    UserDocument,
)
from .views import MailboxesView


class MailboxList(MailboxesView):
    """The mailboxes one sees, and a new one."""

    @describe(
        operation_id="listMailboxes",
        summary="List mailboxes",
        parameters=queries.documented(*listing.PARAMETERS_OF_LIST),
        responses={200: MailboxPage, 422: MailboxProblem},
    )
    def get(self, request: Request) -> Response:
        """A page of mailboxes, and where the other pages are."""
        parameters = listing.read(request, listing.LIST)
        shape = listing.shape_of(parameters)
        rows = listing.MAILBOXES.filtered(self.permitted("view"), parameters)
        page = listing.MAILBOXES.page_of(rows, request, parameters)
        found: dict[str, Any] = {"data": self.resources(page.rows, shape), "links": page.links}
        if shape.include is not None:
            found["included"] = included_users(page.rows, shape)
        if listing.flag(parameters, "count"):
            found["meta"] = {"count": rows.count()}
        return Response(found)

    @describe(
        operation_id="createMailbox",
        summary="Make a mailbox",
        parameters=queries.documented(*listing.PARAMETERS_OF_ONE),
        request=NewMailboxDocument,
        responses={201: MailboxDocument, 409: MailboxProblem, 422: MailboxProblem},
    )
    def post(self, request: Request) -> Response:
        """Store a mailbox. Nothing is connected, unless validateSend or validateSync is true: then nothing is stored if that fails."""
        shape = self.shape(request)
        sent = read_document(request.data, key=None, attributes=ATTRIBUTES, relationships=ALL_RELATIONSHIPS)
        mailbox = Mailbox()
        self.store(mailbox, sent, shown={})
        location = url_of(request, "mailconfig-mailbox", mailbox_id=mailbox.pk)
        return Response(self.document(mailbox.pk, shape), status=201, headers={"Location": location})


class MailboxDetail(MailboxesView):
    """One mailbox."""

    @describe(
        operation_id="getMailbox",
        summary="Read a mailbox",
        parameters=queries.documented(*listing.PARAMETERS_OF_ONE),
        responses={200: MailboxDocument, 422: MailboxProblem},
    )
    def get(self, request: Request, mailbox_id: str) -> Response:
        """The mailbox, without its secrets."""
        shape = self.shape(request)
        return Response(self.document_of(self.mailbox(mailbox_id, "view"), shape))

    @describe(
        operation_id="updateMailbox",
        summary="Change a mailbox",
        parameters=queries.documented(*listing.PARAMETERS_OF_ONE),
        request=ChangedMailboxDocument,
        responses={200: MailboxDocument, 409: MailboxProblem, 422: MailboxProblem},
    )
    def patch(self, request: Request, mailbox_id: str) -> Response:
        """Change what is sent. Where a server or a user name changes, the password has to come along."""
        shape = self.shape(request)
        mailbox = self.mailbox(mailbox_id, "change")
        sent = read_document(
            request.data, key=mailbox.pk, attributes=ATTRIBUTES, relationships=ALL_RELATIONSHIPS
        )
        self.store(mailbox, sent, shown=attributes_of(mailbox, editable=True))
        return Response(self.document(mailbox.pk, shape))

    @describe(
        operation_id="deleteMailbox",
        summary="Delete a mailbox",
        responses={204: None, 422: MailboxProblem},
    )
    def delete(self, request: Request, mailbox_id: str) -> Response:
        """Delete the mailbox and wipe its secrets; refused while mail of it waits."""
        listing.read(request, ())
        mailbox = self.mailbox(mailbox_id, "delete")
        delivery.delete_account(account_id=mailbox.pk, by=self.principal)
        return Response(status=204)


def related_user(relationship: str, summary: str) -> type[MailboxesView]:
    """Return the view of a user that a mailbox refers to."""
    of_user = f"fields[{USER_TYPE}]"
    parameters = [one for one in listing.PARAMETERS_OF_ONE if one[0] == of_user]

    class RelatedUser(MailboxesView):
        """A user that a mailbox refers to."""

        @describe(
            operation_id=f"getMailbox{relationship.capitalize()}",
            summary=summary,
            parameters=queries.documented(*parameters),
            responses={200: UserDocument, 422: MailboxProblem},
        )
        def get(self, request: Request, mailbox_id: str) -> Response:
            """The user, or null."""
            shape = listing.shape_of(listing.read(request, {of_user})).of(USER_TYPE)
            key = getattr(self.mailbox(mailbox_id, "view"), RELATIONSHIPS[relationship])
            user = get_user_model()._default_manager.filter(pk=key).first() if key is not None else None
            return Response({"data": user_resource(user, shape) if user is not None else None})

    return RelatedUser


MailboxUser = related_user("user", "Read whose a mailbox is")
MailboxCreator = related_user("creator", "Read who made a mailbox")
MailboxUpdater = related_user("updater", "Read who last changed a mailbox")
