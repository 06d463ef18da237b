"""Aliases of mailboxes as resources: read here, kept in the admin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from mailconfig.api.common import queries
from mailconfig.api.common.locations import url_of
from mailconfig.api.common.schema import describe
from mailconfig.models import MailAlias

from . import listing
from .alias_serializers import ALIAS_TYPE, AliasAttributes, MailAliasDocument, MailAliasPage
from .filters import IN_ANY_CASE, Filter, read_key, read_moment, read_text
from .listing import Listing
from .problem_serializers import MailboxProblem
from .reading import TYPE
from .related import RelatedView, mailbox_relationship, resource
from .resources import Shape, email_hash, time_of

ALIASES = Listing(
    type=ALIAS_TYPE,
    fields=(*AliasAttributes().fields, "mailbox"),
    include=("mailbox",),
    others={TYPE: listing.MAILBOXES.fields},
    filters={
        "filter[id]": Filter("pk", read_key),
        "filter[createdAt]": Filter("created_at", read_moment),
        "filter[email]": Filter("email", read_text, IN_ANY_CASE),
        "filter[mailbox][id]": Filter("mailbox_id", read_key),
        "filter[updatedAt]": Filter("updated_at", read_moment),
    },
    sortable={"createdAt": "created_at", "email": "email", "updatedAt": "updated_at"},
)


def alias_resource(alias: MailAlias, request: Request, shape: Shape) -> dict[str, Any]:
    """An alias, as far as it is wanted."""
    attributes = {
        "canSend": alias.can_send,
        "createdAt": time_of(alias.created_at),
        "email": alias.email,
        "emailHash": email_hash(alias.email),
        "updatedAt": time_of(alias.updated_at),
    }
    return resource(
        ALIAS_TYPE,
        alias.pk,
        attributes=attributes,
        relationships={"mailbox": mailbox_relationship(alias.mailbox_id, request)},
        here=url_of(request, "mailconfig-mail-alias", alias_id=alias.pk),
        shape=shape,
    )


class AliasesView(RelatedView):
    """Aliases of the mailboxes that one sees."""

    listing = ALIASES

    def rows(self) -> Any:
        """The aliases of these mailboxes."""
        return MailAlias.objects.filter(mailbox__in=self.permitted("view").order_by().values("pk"))

    def draw(self, rows: list[Any], shape: Shape) -> list[dict[str, Any]]:
        """The resources of some aliases."""
        return [alias_resource(row, self.request, shape) for row in rows]

    def included(self, rows: Iterable[Any], shape: Shape) -> list[dict[str, Any]]:
        """The mailboxes of some aliases."""
        return self.included_mailboxes({row.mailbox_id for row in rows}, shape)


class MailAliasList(AliasesView):
    """The aliases that one sees."""

    @describe(
        operation_id="listMailAliases",
        summary="List aliases",
        parameters=queries.documented(*ALIASES.parameters_of_list),
        responses={200: MailAliasPage, 422: MailboxProblem},
    )
    def get(self, request: Request) -> Response:
        """A page of aliases, and where the other pages are."""
        return self.answer_page(self.rows())


class MailAliasesOfMailbox(AliasesView):
    """The aliases of one mailbox."""

    @describe(
        operation_id="listMailAliasesOfMailbox",
        summary="List the aliases of a mailbox",
        parameters=queries.documented(*ALIASES.parameters_of_list),
        responses={200: MailAliasPage, 422: MailboxProblem},
    )
    def get(self, request: Request, mailbox_id: str) -> Response:
        """A page of aliases, and where the other pages are."""
        return self.answer_page(MailAlias.objects.filter(mailbox_id=self.mailbox(mailbox_id, "view").pk))


class MailAliasDetail(AliasesView):
    """One alias."""

    @describe(
        operation_id="getMailAlias",
        summary="Read an alias",
        parameters=queries.documented(*ALIASES.parameters_of_one),
        responses={200: MailAliasDocument, 422: MailboxProblem},
    )
    def get(self, request: Request, alias_id: str) -> Response:
        """The alias."""
        return self.answer_one(self.rows(), alias_id)
