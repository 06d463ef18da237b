"""Checks that a worker runs (RFC 7240 ``respond-async``): asked for here, read here by who asked."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from mailconfig import delivery
from mailconfig.models import AccountKind, ConnectionCheck

from .locations import url_of
from .schema import describe
from .views import SurfaceView


class StageSerializer(serializers.Serializer[Any]):
    """A stage of a check and how it went."""

    stage = serializers.CharField()
    outcome = serializers.ChoiceField(choices=["ok", "failed", "skipped"])
    milliseconds = serializers.IntegerField(required=False, help_text="Staff only.")
    detail = serializers.CharField(required=False, help_text="The server's own words; staff only.")


class CheckSerializer(serializers.Serializer[Any]):
    """A check of a connection, or a test mail."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=["pending", "running", "passed", "failed"])
    ok = serializers.BooleanField()
    code = serializers.CharField(help_text="What went wrong, in a word; empty if nothing did.")
    stage = serializers.CharField(help_text="Where it went wrong.")
    field = serializers.CharField(help_text="The value that is probably guilty.")
    message = serializers.CharField()
    hint = serializers.CharField()
    server_text = serializers.CharField(required=False, help_text="The server's own words; staff only.")
    stages = StageSerializer(many=True)


def is_for_worker(request: Request) -> bool:
    """Return whether a worker makes the check: this deployment has them all made so, or the client prefers not to wait."""
    return delivery.leaves_checks_to_workers() or _prefers_async(request)


BY_A_WORKER = (
    "A worker makes the check; Location says where it can be read. This is the answer to Prefer: respond-async, and to "
    "every request where only workers connect."
)
"""What a 202 means, for the OpenAPI documents."""


def _prefers_async(request: Request) -> bool:
    """RFC 7240 §4.1."""
    preferences = request.headers.get("Prefer", "").split(",")
    return any(one.partition(";")[0].strip().lower() == "respond-async" for one in preferences)


def accepted(request: Request, check: ConnectionCheck, *, route: str, **kwargs: Any) -> Response:
    """202, and where the check can be read.

    Args:
        route: name of the surface's route to a :class:`CheckView`.
        kwargs: of that route, besides ``check_id``.
    """
    location = url_of(request, route, **kwargs, check_id=str(check.uuid))
    headers = {"Location": location}
    if _prefers_async(request):
        headers["Preference-Applied"] = "respond-async"
    return Response(shown(check, request), status=202, headers=headers)


def shown(check: ConnectionCheck, request: Request) -> dict[str, Any]:
    """The check as this client may see it."""
    return {"id": str(check.uuid), **delivery.view_check(check=check, user=request.user)}


class CheckView(SurfaceView):
    """A check, for who asked for it. A surface mixes in its own base."""

    account_kind: ClassVar[AccountKind | None] = None
    """Of which accounts the surface tells; ``None``: of all."""

    def checks(self) -> QuerySet[ConnectionCheck]:
        """The checks that can be read here, whoever asked; a surface leaves out what the caller may not see."""
        rows = ConnectionCheck.objects.all()
        return rows if self.account_kind is None else rows.filter(account__kind=self.account_kind)

    @describe(summary="Read a check that was asked for", responses={200: CheckSerializer})
    def get(self, request: Request, check_id: str, **kwargs: Any) -> Response:
        """The state of the check; 404 for everybody else's."""
        try:
            key = uuid.UUID(check_id)
        except ValueError:
            raise NotFound from None
        check = self.checks().filter(uuid=key, requested_by=request.user.pk).first()
        if check is None:
            raise NotFound
        answer = shown(check, request)
        answer["field"] = self.wire_names.get(answer["field"], answer["field"])
        return Response(answer)
