"""A notice says what is so in words that can do no harm, whatever an account is called."""

from __future__ import annotations

from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest

from mailconfig import delivery
from mailconfig.delivery.notices.words import CURES, line_of
from mailconfig.models import PAUSES, Account, Lane, Tenant, WaitReason
from mailconfig.values import Secret
from tests.factories import PASSWORD, make_message

from .conftest import make_paused, pause, queued

pytestmark = pytest.mark.django_db(transaction=True)

HOSTILE = {
    "lines": "Desk\r\nBcc: eve@example.net\r\n\r\nhello",
    "html": '<script>alert(1)</script><img src=x onerror="alert(2)">"\'&',
    "direction": "Desk \u202egnp.exe\u2066\u200e",
    "separators": "Desk\u2028\u2029\x00\x1b[31m\x85end",
    "template": "{{ accounts }}{% include 'x' %}%(name)s%s",
    "long": "x" * 255,
}


class Tags(HTMLParser):
    """Collects the names of tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Note one."""
        self.names.add(tag)


def parts_of(mail: EmailMessage) -> tuple[str, str]:
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    return str(plain.get_content()), str(html.get_content())


@pytest.mark.parametrize("reason", sorted(PAUSES))
def test_every_reason_has_its_words_and_says_what_to_do(tenant: Tenant, reason: str) -> None:
    assert set(CURES) == PAUSES
    account = make_paused(tenant)
    pause(account, reason=reason)
    delivery.sweep()
    (mail,) = queued()
    for part in parts_of(mail):
        plain = part.replace("&#x27;", "'")
        assert str(WaitReason(reason).label) in plain
        for cure in CURES[WaitReason(reason)]:
            assert str(cure) in plain


def test_it_says_which_account_since_when_and_how_many_mails_wait(tenant: Tenant) -> None:
    account = make_paused(tenant)
    for _ in range(3):
        make_message(account)
    Lane.objects.filter(account=account).update(wait_since="2026-11-30T14:32:00Z")
    delivery.sweep()
    mail = queued()[-1]
    for part in parts_of(mail):
        for words in ("Front desk", "desk@example.com", "Nov. 30, 2026, 2:32 p.m. UTC", "3 mails wait."):
            assert words in part


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_harmless(tenant: Tenant, name: str) -> None:
    account = make_paused(tenant)
    Account.objects.filter(pk=account.pk).update(name=name.replace("\x00", ""), from_email='x"<y@example.com')
    delivery.sweep()
    (mail,) = queued()
    assert mail["Bcc"] is None
    assert mail["To"] == "anna@example.com"
    assert not set(str(mail["Subject"])) & set("\r\n\u2028\u2029\u202e\u2066\x1b\x85")
    plain, html = parts_of(mail)
    assert Tags(html).names <= {
        "html", "head", "meta", "title", "body", "div", "p", "h2", "bdi", "strong", "br", "ul", "li", "a",
    }  # fmt: skip
    assert not (set(plain) | set(html)) & set("\u2028\u2029\u202e\u2066\u200e\x1b\x85")
    assert not any(line.startswith("Bcc:") for line in plain.splitlines())


def test_neither_secrets_nor_the_servers_words_are_in_it(tenant: Tenant) -> None:
    make_paused(tenant, username="desk", authentication="password", secret=Secret(PASSWORD))
    Lane.objects.filter(wait_reason="paused_login").update(wait_text=f"535 words-of-the-server {PASSWORD}")
    delivery.sweep()
    (mail,) = queued()
    for part in (*parts_of(mail), mail.as_string()):
        assert PASSWORD not in part
        assert "words-of-the-server" not in part


def test_it_tells_machines_that_it_comes_by_itself(tenant: Tenant) -> None:
    make_paused(tenant)
    delivery.sweep()
    (mail,) = queued()
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] is None


def test_a_project_may_have_words_of_its_own(tenant: Tenant, settings: Any, tmp_path: Any) -> None:
    folder = tmp_path / "mailconfig"
    folder.mkdir()
    (folder / "pause_notice.txt").write_text("{{ accounts.0.name }} needs you: {{ accounts.0.reason }}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    make_paused(tenant)
    delivery.sweep()
    (mail,) = queued()
    assert parts_of(mail)[0].startswith("Front desk needs you: The login does not work.")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("a\r\n b\tc", "a b c"),
        ("\u202eabc\u2069", "abc"),
        ("क्\u200dष", "क्\u200dष"),
        ("x" * 101, "x" * 99 + "…"),
        ("", ""),
    ],
)
def test_somebodys_words_become_one_line(given: str, line: str) -> None:
    assert line_of(given) == line
