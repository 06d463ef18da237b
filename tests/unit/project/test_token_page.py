"""The admin's page of tokens: who may make which, that each is seen once, and how they end."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed

from project.tokens.making import make_token
from tests.factories import PASSWORD, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("demo_pages")]

PAGE = "/admin/tokens/"
REVOKE = "/admin/tokens/revoke"


@pytest.fixture
def alice() -> User:
    return make_user("alice", is_staff=True, is_superuser=True)


@pytest.fixture
def bob() -> User:
    return make_user("bob", is_staff=True)


@pytest.fixture
def charlie() -> User:
    return make_user("charlie")


def client_of(user: User, *, checks_csrf: bool = False) -> Client:
    """A browser that is logged in."""
    client = Client(enforce_csrf_checks=checks_csrf)
    client.force_login(user)
    return client


def create(client: Client, **values: object) -> tuple[str, str]:
    """The token that is shown, and the whole page."""
    answer = client.post(PAGE, {"lifetime": "12 hours", **values})
    assert answer.status_code == 200, answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    page = unescape(answer.content.decode())
    (value,) = re.findall(r'<code class="value"[^>]*>([^<]+)</code>', page)
    return value, page


def owner(value: str) -> User | None:
    """Whose token it is, for the API."""
    try:
        user: User = TokenAuthentication().authenticate_credentials(value.encode())[0]
    except AuthenticationFailed:
        return None
    return user


def test_a_token_is_shown_once_and_never_again(bob: User) -> None:
    client = client_of(bob)
    value, page = create(client)

    assert owner(value) == bob
    assert page.count(value) == 1
    later = [client.get(PAGE), client.get("/"), client.post(PAGE, {"lifetime": "never"})]
    for answer in later:
        assert value not in answer.content.decode()
    assert value[:10] in later[0].content.decode()
    # Nor on its way, in a cookie or in the session.
    assert value not in str(client.cookies)
    assert value not in str(dict(client.session))


def test_a_token_lives_as_long_as_was_asked(bob: User) -> None:
    create(client_of(bob), lifetime="7 days")

    left = AuthToken.objects.get().expiry - timezone.now()
    assert timedelta(days=6, hours=23, minutes=59) < left <= timedelta(days=7)


@pytest.mark.parametrize("lifetime", ["", "never", "-1", "\x00"])
def test_another_lifetime_makes_no_token(lifetime: str, bob: User) -> None:
    answer = client_of(bob).post(PAGE, {"lifetime": lifetime})

    assert answer.status_code == 422
    assert not AuthToken.objects.exists()


def test_a_superuser_makes_one_for_somebody_else(alice: User, charlie: User) -> None:
    value, page = create(client_of(alice), user=charlie.pk)

    assert owner(value) == charlie
    assert "The new token of charlie" in page


def test_others_make_one_for_themselves_whatever_they_post(bob: User, alice: User) -> None:
    value, page = create(client_of(bob), user=alice.pk)

    assert owner(value) == bob
    assert "alice" not in page


def test_nobody_makes_one_for_somebody_inactive(alice: User) -> None:
    gone = make_user("gone", is_active=False)

    assert client_of(alice).post(PAGE, {"lifetime": "1 hour", "user": gone.pk}).status_code == 422
    assert not AuthToken.objects.exists()


def test_only_staff_come_here(charlie: User) -> None:
    make_token(charlie)
    for client in (Client(), client_of(charlie)):
        for answer in (client.get(PAGE), client.post(PAGE, {"lifetime": "1 hour"}), client.post(REVOKE, {})):
            assert answer.status_code == 302
            assert answer["Location"].startswith("/admin/login/")
    assert AuthToken.objects.count() == 1


def test_a_post_from_another_site_makes_and_revokes_nothing(bob: User) -> None:
    made = make_token(bob)
    client = client_of(bob, checks_csrf=True)

    assert client.post(PAGE, {"lifetime": "1 hour"}).status_code == 403
    assert client.post(REVOKE, {"key": made.value[:15]}).status_code == 403
    assert client.get(REVOKE).status_code == 405
    assert [row.token_key for row in AuthToken.objects.all()] == [made.value[:15]]


def test_people_see_their_own_and_a_superuser_all(alice: User, bob: User, charlie: User) -> None:
    mine, hers = make_token(bob).value, make_token(charlie).value
    of_bob, of_alice = (client_of(user).get(PAGE).content.decode() for user in (bob, alice))

    assert mine[:10] in of_bob
    assert hers[:10] not in of_bob
    assert {mine[:10], hers[:10]} <= set(re.findall(r"<code>(\w+)…</code>", of_alice))
    for digest in AuthToken.objects.values_list("digest", flat=True):
        assert digest not in of_alice


def test_a_revoked_token_is_refused(bob: User) -> None:
    client = client_of(bob)
    value, _page = create(client)
    kept, _page = create(client)
    answer = client.post(REVOKE, {"key": value[:15]}, follow=True)

    assert "is refused from now on" in answer.content.decode()
    assert owner(value) is None
    assert owner(kept) == bob


def test_nobody_revokes_what_they_do_not_see(bob: User, charlie: User, alice: User) -> None:
    value = make_token(charlie).value
    answer = client_of(bob).post(REVOKE, {"key": value[:15]}, follow=True)

    assert "There is no such token" in answer.content.decode()
    assert owner(value) == charlie
    client_of(alice).post(REVOKE, {"key": value[:15]})
    assert owner(value) is None


@pytest.mark.parametrize("key", ["", "\x00", "%", "x" * 100_000])
def test_a_key_that_is_none_revokes_nothing(key: str, bob: User) -> None:
    made = make_token(bob)
    answer = client_of(bob).post(REVOKE, {"key": key}, follow=True)

    assert "There is no such token" in answer.content.decode()
    assert owner(made.value) == bob


def test_an_expired_token_says_so(bob: User) -> None:
    make_token(bob)
    AuthToken.objects.update(expiry=timezone.now() - timedelta(minutes=1))

    assert "expired" in client_of(bob).get(PAGE).content.decode()


def test_a_login_on_the_way_leads_here(bob: User) -> None:
    client = Client()
    login = client.get(PAGE)["Location"]
    answer = client.post(login, {"username": "bob", "password": PASSWORD}, follow=True)

    assert "There is none yet." in answer.content.decode()
