"""Rotation: every row once, nobody's new secret overwritten, killed and continued."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection

from mailconfig.secrets import keyring
from mailconfig.secrets.rotation import FieldRotation, rotate, secret_fields
from mailconfig.secrets.sealed import SealedSecret
from mailconfig.values import Secret
from tests.secretapp.models import Box, Parcel

from .keys import NEW, OLD, OTHER, PASSWORD, raw_token, write_raw

NEW_RING = keyring.KeyRing([NEW])


@pytest.fixture
def old_rows(settings: Any, db: None) -> list[Box]:
    """Seven boxes under the old key, with the new key in front of it now."""
    settings.FIELD_ENCRYPTION_KEY = OLD
    boxes = [Box.objects.create(host=f"h{n}", secret=Secret(f"{PASSWORD}-{n}")) for n in range(7)]
    settings.FIELD_ENCRYPTION_KEY = [NEW, OLD]
    return boxes


def of_boxes(results: list[FieldRotation]) -> FieldRotation:
    return next(result for result in results if result.label == "secretapp.Box.secret")


def test_every_row_comes_under_the_first_key(settings: Any, old_rows: list[Box]) -> None:
    Box.objects.filter(pk=old_rows[0].pk).update(secret=None)
    result = of_boxes(rotate(batch_size=2))
    assert (result.rotated, result.current, result.changed, result.unreadable) == (6, 0, 0, [])
    settings.FIELD_ENCRYPTION_KEY = NEW
    assert [box.password() for box in Box.objects.exclude(secret=None).order_by("pk")] == [
        f"{PASSWORD}-{n}" for n in range(1, 7)
    ]


def test_rows_that_the_manager_hides_and_other_keys_than_numbers_are_rotated(settings: Any, db: None) -> None:
    settings.FIELD_ENCRYPTION_KEY = OLD
    parcels = [Parcel.objects.create(secret=Secret(PASSWORD)) for _ in range(5)]
    hidden = Box.objects.create(host="h", note="hidden", secret=Secret(PASSWORD))
    assert not Box.objects.exists()
    settings.FIELD_ENCRYPTION_KEY = [NEW, OLD]
    rotate(batch_size=2)
    settings.FIELD_ENCRYPTION_KEY = NEW
    for parcel in Parcel.objects.all():
        assert isinstance(parcel.secret, SealedSecret)
        assert parcel.secret.bound_to(parcel.secret_binding("secret")).reveal() == PASSWORD
    assert Parcel.objects.count() == len(parcels)
    assert Box._base_manager.get(pk=hidden.pk).password() == PASSWORD


def test_a_second_run_changes_nothing(old_rows: list[Box]) -> None:
    rotate()
    before = [raw_token(box) for box in old_rows]
    result = of_boxes(rotate())
    assert (result.rotated, result.current) == (0, 7)
    assert [raw_token(box) for box in old_rows] == before


def test_a_dry_run_counts_and_changes_nothing(old_rows: list[Box]) -> None:
    before = [raw_token(box) for box in old_rows]
    assert of_boxes(rotate(dry_run=True)).rotated == 7
    assert [raw_token(box) for box in old_rows] == before


def test_what_no_key_opens_is_counted_and_left_as_it_is(settings: Any, old_rows: list[Box]) -> None:
    lost = keyring.KeyRing([OTHER]).seal("lost", binding="smtp:h1")
    foreign = Fernet(OLD).encrypt(b"foreign").decode()
    tokens = {old_rows[1].pk: lost, old_rows[2].pk: foreign, old_rows[3].pk: "no token"}
    for box in old_rows[1:4]:
        write_raw(box, tokens[box.pk])
    result = of_boxes(rotate())
    assert result.rotated == 4
    assert result.unreadable == [box.pk for box in old_rows[1:4]]
    assert {box.pk: raw_token(box) for box in old_rows[1:4]} == tokens
    settings.FIELD_ENCRYPTION_KEY = [NEW, OLD, OTHER]
    assert of_boxes(rotate()).rotated == 1
    assert Box.objects.get(pk=old_rows[1].pk).password() == "lost"


@pytest.mark.parametrize(
    ("meanwhile", "counts", "left"),
    [
        (NEW_RING.seal("entered meanwhile", binding="smtp:h0"), (6, 1), "entered meanwhile"),
        (keyring.KeyRing([OLD]).seal("by an old process", binding="smtp:h0"), (7, 0), "by an old process"),
        (None, (6, 0), None),
    ],
)
def test_a_secret_that_changes_under_its_hands_is_not_overwritten(
    old_rows: list[Box], meanwhile: str | None, counts: tuple[int, int], left: str | None
) -> None:
    first = old_rows[0]
    with connection.execute_wrapper(before_the_first_update(lambda: write_raw(first, meanwhile))):
        result = of_boxes(rotate())
    assert (result.rotated, result.current) == counts
    assert result.changed == 1
    secret = Box.objects.get(pk=first.pk).secret
    assert (secret and NEW_RING.open(secret.token, binding="smtp:h0")) == left


def test_a_row_that_is_deleted_under_its_hands_is_no_matter(old_rows: list[Box]) -> None:
    gone = Box.objects.filter(pk=old_rows[0].pk)
    with connection.execute_wrapper(before_the_first_update(gone.delete)):
        result = of_boxes(rotate())
    assert (result.rotated, result.changed) == (6, 1)


def before_the_first_update(interfere: Callable[[], Any]) -> Callable[..., Any]:
    """An execute wrapper that does what another process might do just then."""
    done: list[bool] = []

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE") and not done:
            done.append(True)
            interfere()
        return execute(sql, params, many, context)

    return wrapper


def test_the_secrets_of_proxies_are_rotated_once() -> None:
    labels = [f"{field.model._meta.label}.{field.name}" for field in secret_fields()]
    assert "mailconfig.Account.secret" in labels
    assert len(labels) == len(set(labels))


def test_without_keys_it_says_so(settings: Any, old_rows: list[Box]) -> None:
    settings.FIELD_ENCRYPTION_KEY = None
    with pytest.raises(ImproperlyConfigured):
        rotate()


def test_the_command_prints_counts(old_rows: list[Box]) -> None:
    out = StringIO()
    call_command("mailconfig_rotate_keys", "--dry-run", stdout=out)
    assert "secretapp.Box.secret: 7 to rotate, 0 current, 0 unreadable, 0 changed meanwhile" in out.getvalue()
    call_command("mailconfig_rotate_keys", "--batch-size", "3", stdout=out)
    assert "secretapp.Box.secret: 7 rotated, 0 current, 0 unreadable, 0 changed meanwhile" in out.getvalue()


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_the_command_fails_when_something_is_unreadable(old_rows: list[Box], flags: list[str]) -> None:
    write_raw(old_rows[3], "no token")
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="1 unreadable"):
        call_command("mailconfig_rotate_keys", *flags, stdout=out, stderr=err)
    assert "1 unreadable" in out.getvalue()
    assert str(old_rows[3].pk) in err.getvalue()
    assert "no token" not in out.getvalue() + err.getvalue()


@pytest.mark.parametrize("size", ["0", "-1"])
def test_the_command_wants_a_batch(size: str) -> None:
    with pytest.raises(CommandError):
        call_command("mailconfig_rotate_keys", "--batch-size", size)


@pytest.fixture
def committed_rows(settings: Any, transactional_db: None) -> int:
    settings.FIELD_ENCRYPTION_KEY = OLD
    Box.objects.bulk_create([Box(host=f"h{n}", secret=Secret(f"{PASSWORD}-{n}")) for n in range(10)])
    settings.FIELD_ENCRYPTION_KEY = [NEW, OLD]
    return 10


def test_killed_midway_it_loses_nothing_and_the_next_run_goes_on(settings: Any, committed_rows: int) -> None:
    passwords = [f"{PASSWORD}-{n}" for n in range(committed_rows)]
    for kills in (1, 2, 3):
        assert run_rotation(crash_at="rotate_row:1").returncode == -signal.SIGKILL
        rows = list(Box.objects.order_by("pk"))
        assert [box.password() for box in rows] == passwords
        assert [NEW_RING.is_current(box.secret.token) for box in rows].count(True) == kills
    done = run_rotation()
    assert done.returncode == 0, done.stderr
    assert f"{committed_rows - 3} rotated, 3 current" in done.stdout
    settings.FIELD_ENCRYPTION_KEY = NEW
    assert [box.password() for box in Box.objects.order_by("pk")] == passwords


def run_rotation(crash_at: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, on this test's database and keys."""
    program = (
        "import django; from django.conf import settings; from tests import settings as s;"
        "settings.configure(**{n: getattr(s, n) for n in dir(s) if n.isupper() and n != 'FIELD_ENCRYPTION_KEY'},"
        f" FIELD_ENCRYPTION_KEY={[NEW, OLD]!r}); django.setup();"
        "from django.core.management import execute_from_command_line as run; run(['', 'mailconfig_rotate_keys'])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MAILCONFIG_CRASH_AT": crash_at}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment
    )
