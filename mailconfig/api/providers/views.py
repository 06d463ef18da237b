"""The calls of the providers' surface."""

from __future__ import annotations

import re
from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from mailconfig import delivery
from mailconfig.api.common import queries
from mailconfig.api.common.connection_checks import (
    BY_A_WORKER,
    CheckSerializer,
    CheckView,
    accepted,
    is_for_worker,
)
from mailconfig.api.common.errors import Problem, ProblemCode, of_check
from mailconfig.api.common.locations import url_of
from mailconfig.api.common.negotiation import CurlNegotiation
from mailconfig.api.common.schema import describe
from mailconfig.api.common.views import SurfaceView
from mailconfig.models import Account, AccountKind, CheckKind, ConnectionCheck, SMTPProvider
from mailconfig.models.access import Action, has_permission
from mailconfig.models.account_queries import AccountQuerySet

from .serializers import ProviderProblem, ProviderSerializer

LIMIT = 20
MOST = 100
BIGGEST_KEY = 10**18 - 1
"""The largest that may be asked for: what any database takes."""
STATUS_SECONDS = 30.0
"""So long the outcome of a check of unchanged values is told again without connecting."""
SORTABLE = {
    "id": "pk",
    "caption": "name",
    "host": "host",
    "sendFrom": "from_email",
    "isEnabled": "is_enabled",
    "createTime": "created_at",
    "updateTime": "updated_at",
}
FLAGS = {"true": True, "1": True, "false": False, "0": False}


class ProvidersView(SurfaceView):
    """The base: needs the model permission of :class:`SMTPProvider`, whoever's the row is."""

    surface = "providers"
    path_parts = {
        **SurfaceView.path_parts,
        "provider_id": ({"type": "integer", "minimum": 1, "maximum": BIGGEST_KEY}, "The provider's id."),
    }
    secret_names = frozenset({"password"})
    problem_serializer = ProviderProblem
    # What only the admin shows is told of what is nearest to it here.
    wire_names = {
        **ProviderSerializer.wire_names(),
        "authentication": "username",
        "envelope_from": "sendFrom",
    }
    content_negotiation_class = CurlNegotiation

    def render_problem(self, problem: Problem) -> tuple[int, object]:
        """``{"message", "errors": {field: […]}}``; of a failed check also its code and stage."""
        general = [one.message for one in problem.fields.get("", [])]
        body: dict[str, Any] = {"message": " ".join(general) or problem.message}
        if problem.status in {400, 422}:
            named = {name: several for name, several in problem.fields.items() if name}
            body["errors"] = {name: [one.message for one in several] for name, several in named.items()}
        if problem.code is ProblemCode.CHECK_FAILED:
            body |= {"code": problem.check["code"], "stage": problem.check["stage"]}
        return problem.status, body

    def permitted(self, action: Action) -> AccountQuerySet:
        """The providers with which the caller may do this.

        Raises:
            PermissionDenied: the model permission is missing.
        """
        if not has_permission(self.principal, AccountKind.SMTP_PROVIDER, action):
            raise PermissionDenied
        return cast("AccountQuerySet", SMTPProvider.objects.all()).for_principal(self.principal, action)

    def provider(self, provider_id: str, action: Action) -> Account:
        """One of them.

        Raises:
            NotFound: there is none of that number.
        """
        rows = self.permitted(action)
        found = rows.filter(pk=int(provider_id)).first() if _is_key(provider_id) else None
        if found is None:
            raise NotFound
        return found


class ProviderList(ProvidersView):
    """All providers, and a new one."""

    @describe(
        operation_id="listProviders",
        summary="List the providers",
        parameters=queries.documented(
            ("limit", queries.number_schema(least=1, most=MOST), f"How many; {LIMIT} if nothing is said."),
            ("offset", queries.number_schema(most=queries.BIGGEST), "How many are skipped."),
            ("caption", {"type": "string"}, "Only those with this caption."),
            ("isEnabled", {"type": "boolean"}, "Only those that are enabled, or are not."),
            (
                "sort",
                queries.ordering_schema(SORTABLE),
                "Fields to sort by, - before one for descending order.",
            ),
        ),
        responses={200: ProviderSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        """An array; how many there are in all stands in X-Total-Count, the other pages in Link (RFC 8288)."""
        parameters = queries.read(request, known={"limit", "offset", "caption", "isEnabled", "sort"})
        limit = queries.number(parameters, "limit", default=LIMIT, least=1, most=MOST)
        offset = queries.number(parameters, "offset", default=0, most=queries.BIGGEST)
        rows = self.permitted("view").order_by(*queries.ordering(parameters, SORTABLE))
        if "caption" in parameters:
            rows = rows.filter(name=parameters["caption"])
        if "isEnabled" in parameters:
            rows = rows.filter(is_enabled=queries.flag(parameters, "isEnabled", FLAGS))
        total = rows.count()
        page = ProviderSerializer(rows[offset : offset + limit], many=True)  # type: ignore[arg-type]
        response = Response(page.data, headers={"X-Total-Count": str(total)})
        if links := queries.links(request, limit=limit, offset=offset, total=total):
            response["Link"] = links
        return response

    @describe(
        operation_id="createProvider",
        summary="Configure a new provider",
        request=ProviderSerializer,
        responses={201: ProviderSerializer},
    )
    def post(self, request: Request) -> Response:
        """Store a provider. Nothing is connected: ask for its status."""
        self.permitted("add")
        serializer = ProviderSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        provider = serializer.apply(SMTPProvider())
        delivery.save_account(account=provider, by=self.principal)
        provider.refresh_from_db()
        location = url_of(request, "mailconfig-provider", provider_id=provider.pk)
        return Response(ProviderSerializer(provider).data, status=201, headers={"Location": location})


class ProviderDetail(ProvidersView):
    """One provider."""

    @describe(operation_id="getProvider", summary="Read a provider", responses={200: ProviderSerializer})
    def get(self, request: Request, provider_id: str) -> Response:
        """The provider, without its password."""
        return Response(ProviderSerializer(self.provider(provider_id, "view")).data)

    @describe(
        operation_id="updateProvider",
        summary="Change a provider",
        request=ProviderSerializer(partial=True),
        responses={200: ProviderSerializer, 409: ProviderProblem},
    )
    def patch(self, request: Request, provider_id: str) -> Response:
        """Change what is sent. Where host, port, user name or encryption change, the password has to come along."""
        provider = self.provider(provider_id, "change")
        serializer = ProviderSerializer(provider, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        if serializer.validated_data:
            delivery.save_account(account=serializer.apply(provider), by=self.principal)
        return Response(ProviderSerializer(provider).data)

    @describe(
        operation_id="deleteProvider",
        summary="Delete a provider",
        responses={204: None, 409: ProviderProblem},
    )
    def delete(self, request: Request, provider_id: str) -> Response:
        """Delete the provider and wipe its password; refused while mail of it waits."""
        provider = self.provider(provider_id, "delete")
        delivery.delete_account(account_id=provider.pk, by=self.principal)
        return Response(status=204)


class ProviderStatus(ProvidersView):
    """Health of a provider's connection."""

    takes_cookies = False

    @describe(
        operation_id="checkProvider",
        summary="Validate a provider's connection",
        parameters=[
            OpenApiParameter(
                "Prefer",
                {"type": "string", "example": "respond-async"},
                OpenApiParameter.HEADER,
                description="`respond-async`: have a worker check, and answer at once where the check can be read (RFC 7240). "
                "Any other preference is ignored.",
            )
        ],
        responses={
            202: OpenApiResponse(CheckSerializer, description=BY_A_WORKER),
            204: OpenApiResponse(description="The connection works."),
            422: ProviderProblem,
        },
    )
    def get(self, request: Request, provider_id: str) -> Response:
        """Connect with what is stored: name, connection, encryption, login, sender. No mail is sent.

        If it works and the caller may change the provider, a pause ends.

        Token only. What came of it is told again for half a minute, while nothing is changed.
        """
        provider = self.provider(provider_id, "view")
        looks_only = not has_permission(self.principal, AccountKind.SMTP_PROVIDER, "change")
        if is_for_worker(request):
            check = delivery.request_check(
                account_id=provider.pk,
                kind=CheckKind.CONNECTION,
                requested_by=self.principal,
                looks_only=looks_only,
            )
            return accepted(request, check, route="mailconfig-provider-check")
        recent = delivery.recent_check(account=provider, seconds=STATUS_SECONDS)
        check = recent or delivery.probe_account(
            account_id=provider.pk, requested_by=self.principal, looks_only=looks_only
        )
        if check.ok:
            return Response(status=204)
        problem = of_check(check, user=self.principal)
        status, body = self.render_problem(problem.named(self.wire_names))
        return Response(body, status=status)


class ProviderCheck(ProvidersView, CheckView):
    """A check of a provider that a worker runs."""

    account_kind = AccountKind.SMTP_PROVIDER

    def checks(self) -> QuerySet[ConnectionCheck]:
        """The checks of providers, as long as one may look at them."""
        rows = super().checks()
        return rows if has_permission(self.principal, AccountKind.SMTP_PROVIDER, "view") else rows.none()


def _is_key(text: str) -> bool:
    """Return whether a row could have this number: as it is answered, and no larger than databases take."""
    return bool(re.fullmatch(r"[1-9][0-9]{0,17}", text))
