"""What the demo's API takes as a token, and what it says to everything else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.models import AuthToken
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from project.tokens.authentication import BearerAuthentication
from project.tokens.making import make_token
from project.tokens.schema import BearerScheme
from tests.factories import make_user

pytestmark = pytest.mark.django_db

KEY = "0123456789abcdef" * 4


class WhoAmI(APIView):
    """Says who asks."""

    authentication_classes = [BearerAuthentication, SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        """The user's name."""
        return Response(request.user.get_username())


def ask(header: str | None) -> Response:
    """The answer to a request with this header, as WSGI hands it on: each byte a character."""
    request = APIRequestFactory().get("/")
    if header is not None:
        request.META["HTTP_AUTHORIZATION"] = header
    answer = WhoAmI.as_view()(request)
    assert isinstance(answer, Response)
    return answer


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_is_taken_however_its_scheme_is_written(scheme: str, alice: User) -> None:
    answer = ask(f"{scheme} {make_token(alice).value}")

    assert (answer.status_code, answer.data) == (200, "alice")


@pytest.mark.parametrize("prefix", ["", "demo_"])
def test_spaces_around_a_token_are_none_of_it(prefix: str, alice: User) -> None:
    assert ask(f" Bearer   {make_token(alice, prefix=prefix).value} ").status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="no header"),
        pytest.param("", id="empty"),
        pytest.param("   ", id="blank"),
        pytest.param("Bearer", id="no token"),
        pytest.param("Bearer ", id="no token after a space"),
        pytest.param(f"Bearer {KEY}", id="unknown"),
        pytest.param(f"Bearer {KEY} {KEY}", id="two tokens"),
        pytest.param(f"Bearer {KEY}, Bearer {KEY}", id="two headers joined"),
        pytest.param(f"Bearer\t{KEY}", id="a tab"),
        pytest.param(f"Bearer{KEY}", id="no space"),
        pytest.param("Bearer \xff\xfe\xfd" + KEY, id="no UTF-8"),
        pytest.param("Bearer \xed\xa0\x80" + KEY, id="a surrogate"),
        pytest.param("Bearer ž" + KEY, id="no Latin-1"),
        pytest.param("\xff\xfe " + KEY, id="a scheme of bytes"),
        pytest.param("Bearer\xa0" + KEY, id="a space that is none"),
        pytest.param("Bearer \x00" + KEY, id="NUL"),
        pytest.param("Bearer " + KEY[:14] + "\x00" + KEY, id="NUL within"),
        pytest.param("\x00", id="NUL alone"),
        pytest.param("Bearer \r\n" + KEY, id="a line break"),
        pytest.param("Bearer " + "a" * 200_000, id="very long"),
        pytest.param("a" * 200_000, id="a very long scheme"),
        pytest.param("Bearer %", id="a wildcard"),
        pytest.param('Bearer "' + KEY + '"', id="quoted"),
        pytest.param("Bearer <" + KEY + ">", id="bracketed"),
        pytest.param("Bearer null", id="null"),
        pytest.param("Basic YWxpY2U6YWxpY2U=", id="another scheme"),
        pytest.param("Token " + KEY, id="knox's own scheme"),
        pytest.param(":", id="no scheme"),
    ],
)
def test_everything_else_is_asked_for_a_token(header: str | None, alice: User) -> None:
    make_token(alice)
    answer = ask(header)

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")


def test_a_part_of_a_token_is_not_enough(alice: User) -> None:
    value = make_token(alice).value

    assert [ask(f"Bearer {value[:end]}").status_code for end in (15, 16, -1)] == [401, 401, 401]
    assert ask(f"Bearer {value}0").status_code == 401
    assert ask(f"Bearer {value.upper()}").status_code == 401


def test_an_expired_token_is_refused(alice: User) -> None:
    value = make_token(alice).value
    AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))

    assert ask(f"Bearer {value}").status_code == 401


def test_the_token_of_somebody_inactive_is_refused(alice: User) -> None:
    value = make_token(alice).value
    alice.is_active = False
    alice.save(update_fields=["is_active"])

    assert ask(f"Bearer {value}").status_code == 401


def test_the_token_of_somebody_who_was_removed_is_refused(alice: User) -> None:
    value = make_token(alice).value
    alice.delete()

    assert ask(f"Bearer {value}").status_code == 401


def test_a_session_counts_beside_the_login_of_a_proxy(alice: User) -> None:
    request = APIRequestFactory().get("/", HTTP_AUTHORIZATION="Basic YWxpY2U6YWxpY2U=")
    request.user = alice
    answer = WhoAmI.as_view()(request)

    assert answer.status_code == 200


def test_a_malformed_token_is_refused_whatever_the_session_says(alice: User) -> None:
    request = APIRequestFactory().get("/", HTTP_AUTHORIZATION="Bearer \xff")
    request.user = alice

    assert WhoAmI.as_view()(request).status_code == 401


def test_the_document_calls_it_http_bearer() -> None:
    extension = OpenApiAuthenticationExtension.get_match(BearerAuthentication())

    assert isinstance(extension, BearerScheme)
    assert extension.name == "bearerAuth"
    assert extension.get_security_definition(None) == {"type": "http", "scheme": "bearer"}
