"""The calls of the tenants' surface: one configuration a tenant, found by host name or by path."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from django.http.request import split_domain_port
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from mailconfig import delivery
from mailconfig.api.common.connection_checks import (
    BY_A_WORKER,
    CheckSerializer,
    CheckView,
    accepted,
    is_for_worker,
)
from mailconfig.api.common.errors import Problem, ProblemCode, of_check
from mailconfig.api.common.schema import describe
from mailconfig.api.common.tenants import tenant_of
from mailconfig.api.common.views import SurfaceView
from mailconfig.conf import get_settings
from mailconfig.exceptions import AccountChanged
from mailconfig.hostnames import check_host
from mailconfig.models import AccountKind, CheckKind, ConnectionCheck, Tenant, TenantMailConfig
from mailconfig.models.access import Action, has_permission, holds
from mailconfig.models.account_queries import AccountQuerySet
from mailconfig.models.validators import validate_address

from .serializers import (
    NEEDED,
    SUB_SYSTEM,
    TenantConfigAnswerSerializer,
    TenantMailConfigSerializer,
    TenantTestMailSerializer,
)

UPDATED = "Successfully updated SMTP Details"
MISSING = "Host and From is mandatory to update Email Configuration."
SENT = "Mail Sent Successfully to the user"
UNAUTHORIZED = "HTTP 401 Unauthorized"
NO_TENANT = "Tenant not found"
NO_CONFIG = "Mail configuration not found"
NO_USER = "User does not exist"

STATUSES = {
    ProblemCode.NEED_LOGIN: "Unauthorized",
    ProblemCode.NOT_ALLOWED: "FORBIDDEN",
    ProblemCode.NOT_FOUND: "NOT_FOUND",
    ProblemCode.METHOD_NOT_ALLOWED: "METHOD_NOT_ALLOWED",
    ProblemCode.NOT_ACCEPTABLE: "NOT_ACCEPTABLE",
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: "UNSUPPORTED_MEDIA_TYPE",
    ProblemCode.TOO_LARGE: "PAYLOAD_TOO_LARGE",
    ProblemCode.MALFORMED: "BAD_REQUEST",
    ProblemCode.MISSING: "BAD_REQUEST",
    ProblemCode.INVALID: "BAD_REQUEST",
    ProblemCode.CHECK_FAILED: "MAIL_SEND_FAILED",
    ProblemCode.IN_USE: "CONFLICT",
    ProblemCode.CHANGED: "CONFLICT",
    ProblemCode.THROTTLED: "TOO_MANY_REQUESTS",
    ProblemCode.UNAVAILABLE: "SERVICE_UNAVAILABLE",
}
FIELDS = frozenset({*TenantMailConfigSerializer.wire_names().values(), *TenantTestMailSerializer().fields})
ABSENT = {"required", "blank", "null"}
TRIES = 5
"""Each time that storing fails somebody else has stored something, so that of five at once all get their turn."""

REQUEST_EXAMPLE = OpenApiExample(
    "A relay that wants no login",
    request_only=True,
    value={
        "host": "smtp.example.com",
        "port": "587",
        "starttls": "true",
        "ssl": "false",
        "from": "noreply@acme.example",
        "fromDisplayName": "Acme",
        "replyTo": "support@acme.example",
        "replyToDisplayName": "Acme support",
        "envelopeFrom": "",
    },
)


def envelope(message: str, status: str) -> dict[str, Any]:
    """The shape of every answer."""
    return {"message": message, "status": status, "subSystem": SUB_SYSTEM}


class TenantConfigView(SurfaceView):
    """The base: a member of the tenant, over https. To everybody else there is no such tenant."""

    surface = "tenant_config"
    path_parts = {
        **SurfaceView.path_parts,
        "tenant_id": ({"type": "string"}, "The tenant's short name."),
    }
    secret_names = frozenset({"password"})
    problem_serializer = TenantConfigAnswerSerializer()
    wire_names = TenantMailConfigSerializer.wire_names()
    told_fields: ClassVar[frozenset[str]] = FIELDS
    """What a message names, so that the caller knows what it is about."""
    tenant: Tenant
    """Whose configuration this is about; set once the caller is known to belong to it."""

    def perform_authentication(self, request: Request) -> None:
        """Authenticate as the base does; over plain http nobody's credentials are looked at."""
        if get_settings().require_https and not request.is_secure():
            raise PermissionDenied(_("Plain http is refused: call this over https."))
        super().perform_authentication(request)

    def check_permissions(self, request: Request) -> None:
        """Check permissions as DRF does, and find the tenant."""
        super().check_permissions(request)
        slug = self.kwargs.get("tenant_id")
        found = tenant_of(self.principal, slug_of_host(request.get_host()) if slug is None else slug)
        if found is None:
            raise NotFound(NO_TENANT)
        self.tenant = found

    def render_problem(self, problem: Problem) -> tuple[int, object]:
        """``{"message", "status", "subSystem"}``. A message about a field begins with its name."""
        status = 400 if problem.code is ProblemCode.CHECK_FAILED else problem.status
        return status, envelope(self._message(problem), STATUSES[problem.code])

    def _message(self, problem: Problem) -> str:
        if problem.code is ProblemCode.NEED_LOGIN:
            return UNAUTHORIZED
        if any(one.code in ABSENT for name in NEEDED for one in problem.fields.get(name, [])):
            return MISSING
        said = [
            f"{name}: {one.message}" if name in self.told_fields else one.message
            for name, several in problem.fields.items()
            for one in several
        ]
        if words := problem.check.get("server_text"):
            said.append(_("The server said: %(words)s") % {"words": words})
        return " ".join(said) or problem.message

    def config(self) -> TenantMailConfig | None:
        """Configuration of the tenant, read as a whole."""
        rows = cast("AccountQuerySet", TenantMailConfig.objects.all()).kept()
        return cast("TenantMailConfig | None", rows.filter(tenant=self.tenant).first())

    def may(self, action: Action) -> bool:
        """Return whether the caller has the model permission."""
        return has_permission(self.principal, AccountKind.TENANT_CONFIG, action)

    def may_test(self) -> bool:
        """Return whether the caller may have test mails sent, and read what came of those asked for."""
        return self.may("change") or holds(self.principal, "test_account")


class TenantConfig(TenantConfigView):
    """The configuration, which is written and never read."""

    @describe(
        summary="Configure the tenant's mail",
        request=TenantMailConfigSerializer,
        responses={200: TenantConfigAnswerSerializer, 409: TenantConfigAnswerSerializer},
        examples=[REQUEST_EXAMPLE],
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Store the configuration of the tenant, whether or not it has one. Nothing is connected."""
        config = self._to_be_written()
        serializer = TenantMailConfigSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        for tries_left in reversed(range(TRIES)):
            try:
                delivery.save_account(account=serializer.apply(config), by=self.principal)
                break
            except (AccountChanged, DjangoValidationError) as error:
                if not tries_left or not _was_overtaken(error):
                    raise
            config = self._to_be_written()
        return Response(envelope(UPDATED, "OK"))

    def _to_be_written(self) -> TenantMailConfig:
        config = self.config()
        if not self.may("add" if config is None else "change"):
            raise PermissionDenied
        return config or TenantMailConfig(tenant=self.tenant)


class RealmConfig(TenantConfig):
    """The same by path."""


class TenantTest(TenantConfigView):
    """A test mail to the caller."""

    check_route: ClassVar[str] = "mailconfig-tenant-check"

    @describe(
        summary="Send a test mail to oneself",
        request=TenantTestMailSerializer,
        responses={
            200: TenantConfigAnswerSerializer,
            202: OpenApiResponse(CheckSerializer, description=BY_A_WORKER),
        },
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Send a mail to the caller's own address now, or with ``Prefer: respond-async`` have a worker do it."""
        if not self.may_test():
            raise PermissionDenied
        TenantTestMailSerializer(data=request.data).is_valid(raise_exception=True)
        config = self.config()
        if config is None:
            raise NotFound(NO_CONFIG)
        recipient = self._own_address()
        if recipient is None:
            return Response(envelope(NO_USER, "USER_NOT_FOUND"), status=404)
        if is_for_worker(request):
            check = delivery.request_check(
                account_id=config.pk,
                kind=CheckKind.TEST_MAIL,
                recipient=recipient,
                requested_by=self.principal,
            )
            return accepted(request, check, route=self.check_route, **kwargs)
        check = delivery.send_test_mail(
            account_id=config.pk, recipient=recipient, requested_by=self.principal
        )
        if check.ok:
            return Response(envelope(SENT, "OK"))
        status, body = self.render_problem(of_check(check, user=self.principal).named(self.wire_names))
        return Response(body, status=status)

    def _own_address(self) -> str | None:
        """Where the caller can be reached; ``None``: nowhere that mail could go."""
        address = str(getattr(self.principal, self.principal.get_email_field_name(), None) or "")
        try:
            validate_address(address)
        except DjangoValidationError:
            return None
        return address


class RealmTest(TenantTest):
    """The same by path."""

    check_route = "mailconfig-realm-check"


class TenantCheck(TenantConfigView, CheckView):
    """A test mail that a worker sends."""

    account_kind = AccountKind.TENANT_CONFIG

    def checks(self) -> QuerySet[ConnectionCheck]:
        """The checks of this tenant's configuration, as long as one may ask for them."""
        rows = super().checks().filter(account__tenant=self.tenant)
        return rows if self.may_test() else rows.none()


class RealmCheck(TenantCheck):
    """The same by path."""


def slug_of_host(host: str) -> str:
    """The first label of a host name, in small letters; ``""``: it is an address, or has no other label.

    Args:
        host: as a request names it, perhaps with a port.
    """
    domain, _port = split_domain_port(host)
    try:
        labels = check_host(domain).split(".")
    except ValueError:  # an IPv6 address in brackets among them
        return ""
    is_address = labels[-1].isdecimal()
    return "" if is_address or len(labels) < 2 else labels[0]


def _was_overtaken(error: AccountChanged | DjangoValidationError) -> bool:
    """Return whether somebody else stored a configuration of this tenant since it was read."""
    if isinstance(error, AccountChanged):
        return True
    by_field = error.error_dict.values() if hasattr(error, "error_dict") else [error.error_list]
    return any(one.code == "one_config_per_tenant" for errors in by_field for one in errors)
