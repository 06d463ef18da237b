"""How a surface's operations stand in an OpenAPI document: with their problems, and a Bearer token as the login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from drf_spectacular.openapi import AutoSchema

BEARER = "bearerAuth"
PROBLEMS = (400, 401, 403, 404, 405, 406, 429, 503)
WITH_BODY = (413, 415)

if TYPE_CHECKING:
    from .views import SurfaceView


class SurfaceSchema(AutoSchema):
    """Adds to what a view says of itself all that its base may answer, in the surface's envelope."""

    @property
    def _surface(self) -> SurfaceView:
        return cast("SurfaceView", self.view)

    def get_auth(self) -> list[dict[str, Any]]:
        """A Bearer token, whatever the host calls the class that reads it."""
        return [{BEARER: []}]

    def get_tags(self) -> list[str]:
        """One tag a surface."""
        return [self._surface.surface]

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        statuses = PROBLEMS if self.method in {"GET", "DELETE"} else (*PROBLEMS, *WITH_BODY)
        for status in map(str, statuses):
            if status not in bodies:
                bodies[status] = self._get_response_for_code(self._surface.problem_serializer, status)  # type: ignore[no-untyped-call]
        return dict(sorted(bodies.items()))
