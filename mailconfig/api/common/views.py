"""The base of every surface's views: one way in, one way out, whatever the host's DRF settings are."""

from __future__ import annotations

import logging
import time
from typing import Any, ClassVar, NoReturn, cast

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import DataError, transaction
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import (
    AuthenticationFailed,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    UnsupportedMediaType,
    ValidationError,
)
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from mailconfig import delivery
from mailconfig.conf import get_settings

from . import request_ids
from .authentication import authenticators, challenge
from .errors import Problem, problem_of
from .negotiation import HeaderNegotiation, PlainJSONRenderer, language_of
from .parsers import LengthRequired, StrictJSONParser
from .schema import SurfaceSchema

logger = logging.getLogger("mailconfig.api")


class SurfaceView(APIView):
    """A view of a surface. A surface's own base says how a problem is written; views call ``delivery``.

    No view opens a transaction around itself, for a probe takes its time. Nothing of an answer may be cached.
    """

    surface: ClassVar[str]
    """Its name in ``MAILCONFIG["SURFACES"]``."""
    problem_serializer: ClassVar[BaseSerializer[Any]]
    """The shape of :meth:`render_problem`, for the OpenAPI document."""
    wire_names: ClassVar[dict[str, str]] = {}
    """What the wire calls a column of the account."""
    path_parts: ClassVar[dict[str, tuple[dict[str, Any], str]]] = {
        "check_id": ({"type": "string", "format": "uuid"}, "The check's id."),
    }
    """What stands in place of each part of a route: its JSON schema and its meaning, for the OpenAPI document."""
    secret_names: ClassVar[frozenset[str]] = frozenset()
    """What the wire calls secrets; their text is hidden as soon as the body is read."""
    never_answers: ClassVar[frozenset[int]] = frozenset()
    """Statuses for which it has another one, so that the OpenAPI document must not offer them."""
    takes_cookies: ClassVar[bool] = True
    """Whether a session login suffices, or anything else that browsers send unasked; not for a GET that connects."""
    request_id_headers: ClassVar[tuple[str, ...]] = request_ids.HEADERS
    """Header fields that hold the request's id, the one that counts first."""
    answered_id_headers: ClassVar[tuple[str, ...]] = ("X-Request-ID",)
    """Header fields in which it is answered."""

    renderer_classes = (PlainJSONRenderer,)
    parser_classes = (StrictJSONParser,)
    content_negotiation_class = HeaderNegotiation
    permission_classes = (IsAuthenticated,)
    throttle_classes = ()
    metadata_class = None
    versioning_class = None
    schema = SurfaceSchema()

    def render_problem(self, problem: Problem) -> tuple[int, object]:
        """The status and body that tell of ``problem`` in this surface's envelope."""
        raise TypeError(f"{type(self).__name__} has to say how a problem is written")

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Make the view, never within a transaction of ``ATOMIC_REQUESTS``."""
        return transaction.non_atomic_requests(super().as_view(**initkwargs))

    def get_format_suffix(self, **kwargs: Any) -> None:
        """None: the host's settings may give that meaning to any part of an address."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        return authenticators(cookies=self.takes_cookies)

    def get_authenticate_header(self, request: Request) -> str:
        return challenge(self.get_authenticators(), request)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Wrap the request as DRF does; where cookies do not count, the host's authentication does not see them."""
        if not self.takes_cookies:
            request.COOKIES = {}
            request.META.pop("HTTP_COOKIE", None)
        return super().initialize_request(request, *args, **kwargs)

    def perform_authentication(self, request: Request) -> None:
        """Authenticate as DRF does; a credential that is no text, or none that the database takes, is a bad one."""
        try:
            super().perform_authentication(request)
        except (ValueError, DataError) as error:
            logger.info("a credential could not be read: %s", type(error).__name__)
            raise AuthenticationFailed from None
        user = request.user
        if getattr(user, "is_authenticated", False) and not getattr(user, "is_active", True):
            raise AuthenticationFailed  # not every host's authentication asks

    def permission_denied(
        self, request: Request, message: str | None = None, code: str | None = None
    ) -> NoReturn:
        """Refuse as DRF does; who is nobody is asked to log in also where the host offers no way to."""
        if not getattr(request.user, "is_authenticated", False):  # hosts may say that nobody is None
            raise NotAuthenticated
        raise PermissionDenied(detail=message, code=code)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse what need not be looked at any further."""
        if self.surface not in get_settings().surfaces:
            raise NotFound
        request.get_host()  # places that are answered begin with it
        super().initial(request, *args, **kwargs)
        delivery.note_activity(request.user)
        if request.method in {"POST", "PUT", "PATCH"}:
            self._require_readable(request)

    def _require_readable(self, request: Request) -> None:
        """Refuse a body that cannot be read, before anything is looked up.

        Raises:
            LengthRequired: DRF takes a body without a length for none.
            UnsupportedMediaType: it is compressed, or no JSON.
        """
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            words = translation.gettext("No compressed bodies.")
            raise UnsupportedMediaType(request.content_type[:100], detail=words)
        length = request.META.get("CONTENT_LENGTH") or ""
        if not length and "Transfer-Encoding" in request.headers:
            raise LengthRequired(translation.gettext("Say how long the body is (Content-Length)."))
        negotiator = self.get_content_negotiator()
        if length not in {"", "0"} and not negotiator.select_parser(request, self.get_parsers()):
            raise UnsupportedMediaType(request.content_type[:100])

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer in the client's language, under the request's id, and note it in the log."""
        begun = time.monotonic()
        language = language_of(request.headers.get("Accept-Language", ""))
        with (
            translation.override(language),
            request_ids.named(request, self.request_id_headers) as request_id,
        ):
            response = super().dispatch(request, *args, **kwargs)
            if isinstance(response, Response):
                response.render()  # while the language is the client's
                if request.method == "HEAD":  # not every server leaves the body out
                    response["Content-Length"] = str(len(response.content))
                    response.content = b""
            for name in self.answered_id_headers:
                response[name] = request_id
            response["Content-Language"] = language
            response["Cache-Control"] = "no-store"
            patch_vary_headers(response, ["Accept-Language", "Authorization"])
            logger.info(
                "%s %s %s in %d ms, request %s",
                request.method,
                request.resolver_match.route if request.resolver_match else "",
                response.status_code,
                (time.monotonic() - begun) * 1000,
                request_id,
            )
        return response

    def handle_exception(self, exc: Exception) -> Response:
        """The problem in this surface's envelope; a fault of ours goes on to Django."""
        user = getattr(self.request, "_user", None)  # asking anew could fail anew
        problem = problem_of(exc, user=user)
        if problem is None:
            raise exc
        # REST framework's speaks of what was sent, all others of columns.
        if not isinstance(exc, ValidationError):
            problem = problem.named(self.wire_names)
        status, body = self.render_problem(problem)
        response = Response(body, status=status, headers=dict(problem.headers))
        if status == 401:
            response["WWW-Authenticate"] = self.get_authenticate_header(self.request)
        response.exception = True
        return response

    @property
    def principal(self) -> AbstractBaseUser:
        """The user who asks; permissions have seen to it that it is somebody."""
        return cast("AbstractBaseUser", self.request.user)

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """Answer which methods there are, and nothing else."""
        return Response(status=204, headers={"Allow": ", ".join(self.allowed_methods)})
