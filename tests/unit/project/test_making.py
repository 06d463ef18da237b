"""Tokens are made for a time, shown once, and replaced by the demo's next run."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from knox.models import AuthToken

from project.management.commands.make_token import Command
from project.tokens.making import make_token, replace_demo_token
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def made_by_command(*arguments: str) -> tuple[str, str]:
    """What the command said on standard output and on standard error."""
    out, err = StringIO(), StringIO()
    call_command(Command(stdout=out, stderr=err), *arguments)
    return out.getvalue(), err.getvalue()


def test_a_token_is_nowhere_but_with_its_maker(alice: User) -> None:
    made = make_token(alice)
    row = AuthToken.objects.get()

    stored = {str(value) for name, value in vars(row).items() if not name.startswith("_")}
    assert not any(made.value in value for value in stored)
    assert made.value not in repr(made)
    assert made.value.startswith(row.token_key)


def test_the_next_run_of_the_demo_ends_the_token_of_the_last(alice: User) -> None:
    by_hand, old = make_token(alice), replace_demo_token(alice)
    new = replace_demo_token(alice)

    keys = set(AuthToken.objects.values_list("token_key", flat=True))
    assert keys == {by_hand.value[:15], new.value[:15]}
    assert old.value != new.value
    assert new.expires_at - timezone.now() > timedelta(hours=11, minutes=59)


def test_what_expired_is_removed_when_a_token_is_made(alice: User) -> None:
    make_token(alice)
    bobs = make_token(make_user("bob"))
    AuthToken.objects.update(expiry=timezone.now())
    made = make_token(alice)

    assert {row.token_key for row in AuthToken.objects.all()} == {bobs.value[:15], made.value[:15]}


def test_the_command_prints_the_token_alone_and_says_the_rest_aside(alice: User) -> None:
    out, err = made_by_command("alice", "--hours=2")

    row = AuthToken.objects.get()
    assert out.strip().startswith(row.token_key)
    assert len(out.split()) == 1
    assert f"{row.expiry:%Y-%m-%d %H:%M}" in err
    assert out.strip() not in err
    assert timedelta(hours=1, minutes=59) < row.expiry - timezone.now() <= timedelta(hours=2)


@pytest.mark.parametrize("hours", ["0", "-1", "8761"])
def test_the_command_refuses_hours_that_make_no_sense(hours: str, alice: User) -> None:
    with pytest.raises(CommandError, match="from 1 to 8760"):
        made_by_command("alice", f"--hours={hours}")
    assert not AuthToken.objects.exists()


def test_the_command_says_who_is_not_there_or_not_active() -> None:
    make_user("carol", is_active=False)

    with pytest.raises(CommandError, match="no user 'nobody'"):
        made_by_command("nobody")
    with pytest.raises(CommandError, match="carol is not active"):
        made_by_command("carol")
    assert not AuthToken.objects.exists()
