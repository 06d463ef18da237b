"""The tables go and come back; from the first release on, the way from one release to the next is tested here too."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from mailconfig.models import Account
from tests.factories import make_account, make_message

pytestmark = pytest.mark.django_db(transaction=True)


def migrate(targets: list[tuple[str, str | None]]) -> None:
    MigrationExecutor(connection).migrate(targets)


def tables() -> set[str]:
    return {name for name in connection.introspection.table_names() if name.startswith("mailconfig_")}


def test_the_tables_go_with_what_is_in_them_and_come_back() -> None:
    before = tables()
    make_message(make_account())
    leaves = [
        node for node in MigrationExecutor(connection).loader.graph.leaf_nodes() if node[0] == "mailconfig"
    ]
    try:
        migrate([("mailconfig", None)])
        gone = tables()
    finally:
        migrate(leaves)

    assert (gone, tables()) == (set(), before)
    assert not Account.objects.exists()
