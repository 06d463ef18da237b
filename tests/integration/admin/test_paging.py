"""Long tables are counted to a cap, and say so."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mailconfig.admin import paging
from mailconfig.models import Message
from tests.factories import make_mailbox, make_message

from .pages import admin_url


def test_a_long_list_is_counted_to_the_cap_only(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "CAP", 5)
    mailbox = make_mailbox()
    for _ in range(8):
        make_message(mailbox)
    newest = list(Message.objects.order_by("-pk").values_list("pk", flat=True)[:5])

    with CaptureQueriesContext(connection) as captured:
        answer = client.get(admin_url("message"))

    counts = [query["sql"] for query in captured.captured_queries if "COUNT(*)" in query["sql"]]
    about_mail = [sql for sql in counts if '"mailconfig_message"' in sql]
    assert about_mail
    assert all("LIMIT" in sql for sql in about_mail)
    assert answer.context["cl"].result_count == 5
    assert [row.pk for row in answer.context["cl"].result_list][:5] == newest
    assert "Only the newest are counted" in answer.content.decode()
