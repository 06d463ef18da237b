"""OpenAPI descriptions of a surface's operations, with their problems, and a Bearer token as the login."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema

Method = TypeVar("Method", bound=Callable[..., Any])

BEARER = "bearerAuth"
PROBLEMS = (400, 401, 403, 404, 405, 406, 429, 503)
WITH_BODY = (411, 413, 415)

writing_our_own: ContextVar[bool] = ContextVar("mailconfig_writing_our_own", default=False)
"""Whether the document that is being made is one of ours."""

if TYPE_CHECKING:
    from .views import SurfaceView


class SurfaceSchema(AutoSchema):
    """Adds to what a view says of itself all that its base may answer, in the surface's envelope.

    It stands in documents of ours only: under a host's own settings names would clash and shapes would be wrong.
    """

    def is_excluded(self) -> bool:
        """Left out of the document of a host project."""
        return not writing_our_own.get() or super().is_excluded()

    @property
    def _surface(self) -> SurfaceView:
        return cast("SurfaceView", self.view)

    def get_auth(self) -> list[dict[str, Any]]:
        """A Bearer token, whatever the host calls the class that reads it."""
        return [{BEARER: []}]

    def get_operation_id(self) -> str:
        """Method and view, unless the view says otherwise: the same wherever the surface is mounted."""
        return f"{self.method.lower()}{type(self.view).__name__}"

    def get_tags(self) -> list[str]:
        """One tag a surface."""
        return [self._surface.surface]

    def _resolve_path_parameters(self, variables: list[str]) -> list[dict[str, Any]]:
        """The parts of the path as the surface explains them: routes take any text, and a wrong one is not found."""
        return [
            {"in": "path", "name": name, "schema": shape, "required": True, "description": text}
            for name in variables
            for shape, text in [self._surface.path_parts[name]]
        ]

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        statuses = PROBLEMS if self.method in {"GET", "DELETE"} else (*PROBLEMS, *WITH_BODY)
        for status in map(str, statuses):
            if status not in bodies and int(status) not in self._surface.never_answers:
                bodies[status] = self._get_response_for_code(self._surface.problem_serializer, status)  # type: ignore[no-untyped-call]
        return dict(sorted(bodies.items()))


def describe(**options: Any) -> Callable[[Method], Method]:
    """Document a method of a surface's view, with the options of drf-spectacular's ``extend_schema``.

    That one starts from the schema class of the host's DRF settings, which may be any.
    """

    def decorate(method: Method) -> Method:
        cast("Any", method).kwargs = {"schema": SurfaceSchema}
        return extend_schema(**options)(method)

    return decorate


class WordFieldExtension(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """The words of a :class:`mailconfig.api.common.fields.WordField`, and the other one it may answer."""

    target_class = "mailconfig.api.common.fields.WordField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        """An enumeration."""
        words = list(dict.fromkeys(self.target.words.values()))
        if direction == "response" and self.target.fallback not in words:
            words.append(self.target.fallback)
        return {"type": "string", "enum": words}
