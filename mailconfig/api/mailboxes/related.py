"""Resources that belong to a mailbox: who sees the mailbox sees them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from mailconfig.api.common.locations import url_of
from mailconfig.models import Mailbox

from . import listing as listings
from .listing import Listing
from .reading import BIGGEST_KEY, TYPE, key_of
from .resources import Shape
from .serializers import RelationshipLinks
from .views import MailboxesView

NO_RIGHTS = {"canWrite": False, "canDelete": False}
"""What is read here and written elsewhere."""


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": [TYPE]},
            "id": {"type": "integer", "minimum": 1},
        },
        "required": ["id", "type"],
    }
)
class MailboxLinkage(serializers.DictField):
    """A mailbox by number."""


class MailboxRelationship(serializers.Serializer[Any]):
    """The mailbox that a resource belongs to."""

    data = MailboxLinkage()  # type: ignore[assignment]  # a field, not DRF's attribute
    links = RelationshipLinks()


def mailbox_relationship(key: int, request: Request) -> dict[str, Any]:
    """The relationship to a mailbox."""
    return {
        "data": {"type": TYPE, "id": key},
        "links": {"related": url_of(request, "mailconfig-mailbox", mailbox_id=key)},
    }


def resource(
    kind: str,
    key: int,
    *,
    attributes: Mapping[str, Any],
    relationships: Mapping[str, Any],
    here: str,
    shape: Shape,
) -> dict[str, Any]:
    """A resource, as far as it is wanted.

    Args:
        here: where it is read.
    """
    found: dict[str, Any] = {
        "type": kind,
        "id": key,
        "attributes": {name: value for name, value in attributes.items() if shape.wants(name)},
        "relationships": {name: value for name, value in relationships.items() if shape.wants(name)},
        "links": {"self": here},
    }
    if shape.authorization:
        found["meta"] = NO_RIGHTS
    return found


class RelatedView(MailboxesView, ABC):
    """The base of their views."""

    listing: ClassVar[Listing]
    path_parts = {
        **MailboxesView.path_parts,
        "alias_id": ({"type": "integer", "minimum": 1, "maximum": BIGGEST_KEY}, "The alias's id."),
        "mailing_id": ({"type": "integer", "minimum": 1, "maximum": BIGGEST_KEY}, "The mailing's id."),
    }

    @abstractmethod
    def draw(self, rows: list[Any], shape: Shape) -> list[dict[str, Any]]:
        """The resources of some rows."""

    @abstractmethod
    def included(self, rows: Iterable[Any], shape: Shape) -> list[dict[str, Any]]:
        """The resources that are wanted beside some rows."""

    def included_mailboxes(self, keys: Collection[int], shape: Shape) -> list[dict[str, Any]]:
        """Mailboxes by their keys."""
        found = Mailbox.objects.prefetch_related("lanes", "event_webhooks").filter(pk__in=keys).order_by("pk")
        return self.resources(cast("list[Mailbox]", list(found)), shape.of(TYPE))

    def answer_page(self, rows: QuerySet[Any]) -> Response:
        """A page of these rows, as the request wants it."""
        parameters = listings.read(self.request, self.listing.many)
        shape = self.listing.shape_of(parameters)
        rows = self.listing.filtered(rows, parameters)
        page = self.listing.page_of(rows, self.request, parameters)
        found: dict[str, Any] = {"data": self.draw(page.rows, shape), "links": page.links}
        if shape.include is not None:
            found["included"] = self.included(page.rows, shape)
        if listings.flag(parameters, "count"):
            found["meta"] = {"count": rows.count()}
        return Response(found)

    def answer_one(self, rows: QuerySet[Any], key: str) -> Response:
        """The row of this key, as the request wants it.

        Raises:
            NotFound: it is not among them.
        """
        shape = self.listing.shape_of(listings.read(self.request, self.listing.one))
        number = key_of(key)
        row = rows.filter(pk=number).first() if number else None
        if row is None:
            raise NotFound
        return Response(self.document_about(row, shape))

    def document_about(self, row: Any, shape: Shape) -> dict[str, Any]:
        """The document of one row."""
        found: dict[str, Any] = {"data": self.draw([row], shape)[0]}
        if shape.include is not None:
            found["included"] = self.included([row], shape)
        return found
