"""What Django's own mail tests ask of a backend, ours does over queue, drain and a server, but for what is named."""

import os
from pathlib import Path

import django
import pytest

from tests.django_mail.adapter import outcomes
from tests.django_mail.differences import DIFFERENCES
from tests.django_mail.source import NotFetched, fetch

pytestmark = [
    pytest.mark.sdist,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        (6, 0) <= django.VERSION < (6, 1), reason="Django 6.0's tests are neither those of 5.2 nor of 6.1"
    ),
]

FEWEST = 45
"""Fewer tests than this were not found, rather than left out by Django."""


def test_djangos_own_mail_tests_find_no_difference_but_those_named(tmp_path: Path) -> None:
    try:
        folder = fetch(tmp_path)
    except NotFetched as error:
        if os.environ.get("REQUIRE_SYSTEM"):
            raise
        pytest.skip(str(error))
    found = outcomes(folder)
    differing = {test: why for test, why in found.items() if why}

    assert len(found) >= FEWEST
    unnamed = {test: why for test, why in differing.items() if test not in DIFFERENCES}
    assert not unnamed, "mend them, or name them with a reason in differences.py"
    gone = sorted(DIFFERENCES.keys() - differing.keys())
    assert not gone, "they differ no longer: take them out of differences.py"
