"""URLs of files that are refused when their mail is to be queued."""

from __future__ import annotations

from typing import Any

import pytest

from mailconfig import delivery
from mailconfig.exceptions import InvalidAttachment, KeyReused
from mailconfig.models import Account, Message, Preparation

pytestmark = pytest.mark.django_db(transaction=True)


def queue(account: Account, *urls: str, **values: Any) -> Message:
    return delivery.queue_service_mail(account, recipient="anna@example.net", attachments=urls, **values)


@pytest.mark.parametrize(
    ("urls", "position"),
    [
        (["http://files.test/"], 0),
        (["https://files.test/", "https://u@files.test/"], 1),
        (["https://127.0.0.1/"], 0),
        (["https://files.test:22/"], 0),
        (["https://files.test/a b"], 0),
        ([""], 0),
        (["https://files.test/"] * 11, None),
    ],
)
def test_what_cannot_be_fetched_is_refused_at_once_and_nothing_is_queued(
    account: Account, urls: list[str], position: int | None
) -> None:
    with pytest.raises(InvalidAttachment) as caught:
        queue(account, *urls)
    assert caught.value.position == position
    assert not Message.objects.exists()


def test_only_hosts_of_the_list_are_taken(account: Account, settings: Any) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "ATTACHMENT_HOSTS": ["files.test"]}

    assert queue(account, "https://FILES.test/a").pk
    with pytest.raises(InvalidAttachment):
        queue(account, "https://other.test/a")


def test_networks_of_mail_servers_are_none_of_files(account: Account, settings: Any) -> None:
    settings.MAILCONFIG = {"ALLOWED_NETWORKS": ["127.0.0.0/8"], "ALLOWED_HOSTS": ["127.0.0.1"]}

    with pytest.raises(InvalidAttachment):
        queue(account, "https://127.0.0.1/")


def test_the_same_key_with_other_files_is_another_mail(account: Account) -> None:
    first = queue(account, "https://files.test/a", idempotency_key="k")

    assert queue(account, "https://files.test/a", idempotency_key="k").pk == first.pk
    with pytest.raises(KeyReused):
        queue(account, "https://files.test/b", idempotency_key="k")
    assert Preparation.objects.count() == 1
