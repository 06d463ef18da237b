"""Tries of connections: a test mail, and credentials that nobody stored."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse
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
from mailconfig.api.common.errors import of_check
from mailconfig.api.common.schema import describe
from mailconfig.models import (
    AccountKind,
    CheckKind,
    ConnectionCheck,
    OAuth2Client,
    OAuth2GrantType,
    OAuth2Provider,
    Tenant,
    TenantMailConfig,
)
from mailconfig.models.account_rules import destination_changed
from mailconfig.models.choices import SMTP
from mailconfig.values import Authentication, Security

from .base import TENANT, EmailServiceView, no_configuration, said_of
from .serializers import (
    CredentialsAnswer,
    EmailServiceAnswer,
    EmailServiceProblem,
    SendTestEmailSerializer,
    ValidateCredentialsSerializer,
)

MICROSOFT = "microsoft_auth"
MICROSOFT_HOST, MICROSOFT_PORT = "smtp.office365.com", 587
TLS_PORT = 465
"""Where TLS begins with the first byte (RFC 8314 §3.3)."""


def security_at(port: int) -> Security:
    """Return the encryption of a port, where no field says which: a login is never sent without any."""
    return Security.TLS if port == TLS_PORT else Security.OPPORTUNISTIC


def completed(
    values: Mapping[str, Any], *, tenant: Tenant, config: TenantMailConfig | None
) -> TenantMailConfig:
    """Return an account with these values, and in place of each missing one that of the stored configuration.

    The stored password comes along as the sealed one that it is: it opens for the stored server and user name only.

    Args:
        values: by column.
        tenant: whose it is.
        config: the stored one, which is left as it is.

    Raises:
        Conflict: something is missing, and nothing is stored.
        ValidationError: the values do not go together, or the stored password would go elsewhere.
    """
    if MICROSOFT in values:
        values = {"host": MICROSOFT_HOST, "port": MICROSOFT_PORT, **values}
    if config is None and not {"host", "port"} <= values.keys():
        raise no_configuration()
    account = copy.copy(config) or TenantMailConfig(tenant=tenant, authentication=Authentication.NONE)
    for column in ("host", "port", "from_name", "from_email"):
        setattr(account, column, values.get(column, getattr(account, column)))
    if config is None or _server_of(account) != _server_of(config):
        account.security, account.send_method = security_at(account.port), SMTP
    if MICROSOFT in values:
        _let_in_by_microsoft(account, values[MICROSOFT], values)
    else:
        _set_login(account, values)
        if config is not None and account.authentication == Authentication.OAUTH2:
            _require_server_of(account, config)
    if config is None and not account.sender:
        raise no_configuration()
    account.clean()
    return account


def _let_in_by_microsoft(
    account: TenantMailConfig, app: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Have it log in by an app registration that is not stored, and leaves nothing behind.

    Its tokens are shown to the server that the caller names, who could show them to any.
    """
    account.security = Security.TLS if account.port == TLS_PORT else Security.STARTTLS
    account.username = app.get("user") or values.get("username") or account.sender
    client = OAuth2Client(
        provider=OAuth2Provider.MICROSOFT,
        directory=app["tenant_id"],
        client_id=app["client_id"],
        secret=app["client_secret"],
        mail_servers=account.host,
    )
    delivery.choose_oauth2_login(
        account=account, client=client, grant_type=OAuth2GrantType.CLIENT_CREDENTIALS
    )


def _server_of(account: TenantMailConfig) -> tuple[str, int]:
    return account.host.lower(), account.port


def _require_server_of(account: TenantMailConfig, config: TenantMailConfig) -> None:
    """Refuse to show tokens of the stored login to another server, as its password would be."""
    if _server_of(account) != _server_of(config):
        raise DjangoValidationError({"secret": destination_changed()})


def _set_login(account: TenantMailConfig, values: Mapping[str, Any]) -> None:
    """Set user name and password as far as they were sent; without a user name nobody logs in."""
    username = values.get("username", account.username)
    if values.get("secret") is not None:
        account.authentication, account.secret = Authentication.PASSWORD, values["secret"]
    elif username != account.username or "secret" in values:
        account.authentication = Authentication.PASSWORD if username else Authentication.NONE
        if "secret" in values or not username:
            account.secret = None
    account.username = username


class SendTestEmail(EmailServiceView):
    """A test mail with what is stored, or with other values in its place."""

    @describe(
        operation_id="sendTestEmail",
        summary="Send a test mail",
        parameters=[TENANT],
        request=SendTestEmailSerializer,
        responses={
            200: EmailServiceAnswer,
            202: OpenApiResponse(CheckSerializer, description=BY_A_WORKER),
            409: OpenApiResponse(
                EmailServiceProblem,
                description="A value is missing, and the tenant has no mail configuration.",
            ),
            422: EmailServiceProblem,
        },
    )
    def post(self, request: Request) -> Response:
        """Send a short text of ours now, and say what came of it. Nothing is stored.

        What is missing is taken from the stored configuration; its password only if host, port and user are the stored ones.
        """
        serializer = SendTestEmailSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = dict(serializer.validated_data)
        recipient = values.pop("email")
        config = self.config()
        if config is not None and not values and is_for_worker(request):
            check = delivery.request_check(
                account_id=config.pk,
                kind=CheckKind.TEST_MAIL,
                recipient=recipient,
                requested_by=self.principal,
                looks_only=True,
            )
            return accepted(request, check, route="mailconfig-email-check")
        account = completed(values, tenant=self.tenant, config=config)
        check = delivery.send_test_of_values(
            account=account,
            recipient=recipient,
            requested_by=self.principal,
            tenant=self.tenant,
            counts_for=config if config is not None and _is_same_login(account, config) else None,
        )
        of_login = dict.fromkeys(("secret", "authentication"), MICROSOFT) if MICROSOFT in values else {}
        problem = of_check(check, user=self.principal).named({**self.wire_names, **of_login})
        if check.ok:
            return Response({"message": problem.message})
        status, body = self.render_problem(problem)
        return Response(body, status=status)


def _is_same_login(account: TenantMailConfig, config: TenantMailConfig) -> bool:
    """Return whether the mail counts in the limits of the stored configuration: it is the same user at the same server."""
    return (_server_of(account), account.username) == (_server_of(config), config.username)


class ValidateCredentials(EmailServiceView):
    """Credentials that are tried out."""

    @describe(
        operation_id="validateCredentials",
        summary="Try out a mail server and a login",
        parameters=[TENANT],
        request=ValidateCredentialsSerializer,
        responses={200: CredentialsAnswer},
    )
    def post(self, request: Request) -> Response:
        """Connect and log in now, and say whether it went well. Nothing is read of what is stored, and nothing stored."""
        serializer = ValidateCredentialsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = dict(serializer.validated_data)
        logs_in = bool(values.get("username"))
        account = TenantMailConfig(
            host=values["host"],
            port=values["port"],
            security=security_at(values["port"]),
            authentication=Authentication.PASSWORD if logs_in else Authentication.NONE,
            username=values.get("username", ""),
            secret=values.get("secret"),
        )
        check = delivery.probe_values(
            account=account, requested_by=self.principal, tenant=self.tenant, asks_sender=False
        )
        problem = of_check(check, user=self.principal).named(self.wire_names)
        message = problem.message if check.ok else said_of(problem)
        return Response({"success": check.ok, "message": message})


class EmailCheck(EmailServiceView, CheckView):
    """A test mail that a worker sends."""

    account_kind = AccountKind.TENANT_CONFIG

    def checks(self) -> QuerySet[ConnectionCheck]:
        """Return the checks of this tenant's configuration."""
        return super().checks().filter(account__tenant=self.tenant)

    @describe(
        operation_id="getEmailCheck",
        summary="Read a test that was asked for",
        parameters=[TENANT],
        responses={200: CheckSerializer},
    )
    def get(self, request: Request, check_id: str, **kwargs: Any) -> Response:
        """Return the state of the test; 404 for everybody else's."""
        return super().get(request, check_id, **kwargs)
