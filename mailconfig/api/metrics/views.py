"""The figures as metrics and as JSON, for whoever may read them, by the host's own authentication of API calls."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.http import HttpResponse, JsonResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from mailconfig.api.common.authentication import authenticators, challenge
from mailconfig.delivery import dashboard_data, read_dashboard
from mailconfig.models.access import holds

HAS_PROMETHEUS = find_spec("prometheus_client") is not None
if HAS_PROMETHEUS:
    from .exposition import exposition

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class MayReadMetrics(BasePermission):
    """Whoever has ``view_metrics``; who is nobody is asked to log in."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not getattr(request.user, "is_authenticated", False):
            raise NotAuthenticated
        return bool(request.user.is_active) and holds(request.user, "view_metrics")


class FiguresView(APIView):
    """The base: what a view of the host's own REST framework settings would be, is said here."""

    permission_classes = (MayReadMetrics,)
    renderer_classes = (JSONRenderer,)
    throttle_classes = ()
    metadata_class = None
    versioning_class = None
    schema = None
    http_method_names = ("get", "head")

    def get_authenticators(self) -> list[BaseAuthentication]:
        return authenticators()

    def get_authenticate_header(self, request: Request) -> str:
        return challenge(self.get_authenticators(), request)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Answer what there is, whatever a scraper says it accepts."""
        return super().perform_content_negotiation(request, force=True)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Let nobody keep it."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer["Cache-Control"] = "no-store"
        return answer


class MetricsView(FiguresView):
    """The figures in the text format of Prometheus."""

    def get(self, request: Request) -> HttpResponse:
        """Read them anew."""
        if not HAS_PROMETHEUS:
            words = "prometheus-client is not installed: pip install mailconfig[prometheus]\n"
            return HttpResponse(words, status=503, content_type="text/plain; charset=utf-8")
        return HttpResponse(exposition(read_dashboard()), content_type=CONTENT_TYPE)


class FiguresJSONView(FiguresView):
    """The same figures as the dashboard's JSON."""

    def get(self, request: Request) -> HttpResponse:
        """Read them anew."""
        return JsonResponse(dashboard_data(read_dashboard()), encoder=DjangoJSONEncoder)


metrics = transaction.non_atomic_requests(MetricsView.as_view())
figures = transaction.non_atomic_requests(FiguresJSONView.as_view())
