"""The base of the email service's calls: a member of the tenant that a header names."""

from __future__ import annotations

from typing import Any, cast

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.request import Request

from mailconfig.api.common.errors import Problem, ProblemCode
from mailconfig.api.common.parsers import StrictJSONParser
from mailconfig.api.common.tenants import tenant_of
from mailconfig.api.common.views import SurfaceView
from mailconfig.models import Tenant, TenantMailConfig
from mailconfig.models.account_queries import AccountQuerySet

from .serializers import EmailServiceProblem

TENANT = OpenApiParameter(
    "Tenant",
    {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"},
    OpenApiParameter.HEADER,
    required=True,
    description="The tenant's short name.",
)
WIRE_NAMES = {
    "host": "smtp_host",
    "send_method": "smtp_host",
    "port": "smtp_port",
    "security": "smtp_port",
    "authentication": "smtp_user",
    "username": "smtp_user",
    "secret": "smtp_pass",
    "from_email": "from_address",
    "envelope_from": "from_address",
    "recipient": "email",
}


class Conflict(APIException):
    """A refusal of what does not go with what is there (409)."""

    status_code = 409
    default_code = "conflict"


class EmailServiceParser(StrictJSONParser):
    """JSON with room for a long mail."""

    max_bytes = 4 * 1024 * 1024


class EmailServiceView(SurfaceView):
    """The base. To whoever does not belong to a tenant there is no such tenant."""

    surface = "email_service"
    path_parts = {
        **SurfaceView.path_parts,
        "message_id": ({"type": "string", "format": "uuid"}, "The mail's id."),
    }
    parser_classes = (EmailServiceParser,)
    secret_names = frozenset({"smtp_pass", "client_secret"})
    problem_serializer = EmailServiceProblem()
    wire_names = WIRE_NAMES
    # The client's own first: proxies put an id of theirs into the other one, a new one each time.
    request_id_headers = ("Request-ID", "X-Request-ID")
    answered_id_headers = ("Request-ID", "X-Request-ID")
    tenant: Tenant
    """Whose mail this is about; set once the caller is known to belong to it."""

    def check_permissions(self, request: Request) -> None:
        """Check permissions as DRF does, and find the tenant.

        Raises:
            ValidationError: the header is missing, or there are two.
            NotFound: the caller belongs to no such tenant.
        """
        super().check_permissions(request)
        slug = request.headers.get("Tenant", "").strip()
        if not slug or "," in slug:  # two fields of one name arrive as a list (RFC 9110 §5.3)
            raise ValidationError({"Tenant": [_("Name one tenant in this header.")]})
        found = tenant_of(self.principal, slug)
        if found is None:
            raise NotFound(_("There is no such tenant."))
        self.tenant = found

    def render_problem(self, problem: Problem) -> tuple[int, object]:
        """``{"message"}``; of a failed check also its code and stage. A message about a field begins with its name."""
        body: dict[str, Any] = {"message": said_of(problem)}
        if problem.code is ProblemCode.CHECK_FAILED:
            body |= {"code": problem.check["code"], "stage": problem.check["stage"]}
        return problem.status, body

    def config(self) -> TenantMailConfig | None:
        """Return the connection through which the tenant's mail leaves; ``None``: it has none."""
        rows = cast("AccountQuerySet", TenantMailConfig.objects.all()).kept()
        return cast("TenantMailConfig | None", rows.filter(tenant=self.tenant).first())


def said_of(problem: Problem) -> str:
    """Return the words of a problem, each of a field behind its name; for staff with the mail server's own."""
    said = [
        f"{name}: {one.message}" if name else one.message
        for name, several in problem.fields.items()
        for one in several
    ]
    if words := problem.check.get("server_text"):
        said.append(_("The server said: %(words)s") % {"words": words})
    return " ".join(said) or problem.message


def no_configuration() -> Conflict:
    """Return the refusal to do what needs a stored configuration."""
    return Conflict(_("The tenant has no mail configuration."))
