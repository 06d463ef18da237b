"""`manage.py demo`: what a person and a script are promised."""

import imaplib
import json
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from tests.servers.demo import END_SECONDS, ROOT, Demo, environment, is_alive, running

START_SECONDS = 240
PROVIDERS = "/api/v2/mail/providers"

pytestmark = pytest.mark.slow


def make_token(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`make_token admin` as a person runs it beside the demo."""
    command = [sys.executable, "manage.py", "make_token", "admin"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def wait_until(is_so: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    until = time.monotonic() + END_SECONDS
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def accepts(url: str) -> bool:
    """Whether somebody listens there."""
    address = urlsplit(url)
    with socket.socket() as client:
        return client.connect_ex((address.hostname, address.port)) == 0


def test_the_line_for_scripts_holds_what_they_need(demo: Demo) -> None:
    said = demo.said

    assert set(said) == {
        "url",
        "admin",
        "token",
        "tenant",
        "email_service",
        "smtp",
        "imap",
        "inbox",
        "to_connect",
    }
    assert set(said["admin"]) == {"username", "password"}
    assert set(said["smtp"]) == {"host", "port", "username", "password"}
    assert len(said["smtp"]["password"]) >= 16
    assert not said["url"].endswith("/")
    assert said["inbox"].startswith(f"{said['url']}/")
    assert not said["inbox"].endswith("/")
    assert said["email_service"] == f"{said['url']}/email-service"
    assert said["token"].startswith("demo_")
    assert len(said["token"]) >= 40


def test_it_answers_to_the_name_of_the_tenant_and_to_no_other(demo: Demo) -> None:
    port = urlsplit(demo.said["url"]).port

    assert demo.get("/", host=f"{demo.said['tenant']}.localhost:{port}").status == 200
    assert demo.get("/", host=f"localhost:{port}").status == 200
    assert demo.get("/", host="elsewhere.example").status == 400


def test_the_printed_password_opens_the_admin(demo: Demo) -> None:
    token = demo.get("/admin/login/").cookie("csrftoken")
    login = demo.said["admin"] | {"csrfmiddlewaretoken": token, "next": "/admin/"}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = demo.request("POST", "/admin/login/", headers, urlencode(login), cookie=f"csrftoken={token}")

    assert (answer.status, answer.headers["Location"]) == (302, "/admin/")
    page = demo.get("/", cookie=f"sessionid={answer.cookie('sessionid')}")
    assert b"Acme support" in page.body


def test_the_printed_token_opens_the_api(demo: Demo) -> None:
    bearer = {"Authorization": f"Bearer {demo.said['token']}"}
    document = json.loads(demo.get("/mailconfig/openapi.json").body)
    answer = demo.request("GET", PROVIDERS, bearer)

    assert PROVIDERS in document["paths"]
    assert document["components"]["securitySchemes"]["bearerAuth"] == {"type": "http", "scheme": "bearer"}
    assert (answer.status, json.loads(answer.body)) == (200, [])


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer \xff\xfe", "\xff\xfe", "Bearer one two", "Basic YTpi", "Bearer " + "a" * 60_000],
    ids=["empty", "no token", "no UTF-8", "no scheme", "two tokens", "another scheme", "very long"],
)  # fmt: skip
def test_whatever_is_no_token_is_asked_for_one(header: str, demo: Demo) -> None:
    answer = demo.request("GET", PROVIDERS, {"Authorization": header})

    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_token_made_beside_the_demo_opens_the_api(demo: Demo, var: Path, tmp_path: Path) -> None:
    (run,) = var.glob("run-*")
    made = make_token(environment(var) | {"DEMO_RUN": str(run)})
    bearer = {"Authorization": f"Bearer {made.stdout.strip()}"}

    assert demo.request("GET", PROVIDERS, bearer).status == 200, made.stderr
    elsewhere = make_token(environment(tmp_path))
    assert (elsewhere.returncode, elsewhere.stdout) == (1, "")
    assert "DEMO_RUN" in elsewhere.stderr
    assert "Traceback" not in elsewhere.stderr


@pytest.mark.parametrize("path", ["/api/docs", "/api/docs?script=", "/api/redoc"])
def test_the_pages_of_the_api_name_no_other_server(path: str, demo: Demo) -> None:
    answer = demo.get(path)

    assert answer.status == 200
    assert "default-src 'self';" in answer.headers["Content-Security-Policy"]
    assert re.findall(rb"(?:https?:)?//[\w-]+\.[\w.-]+", answer.body) == []


def test_strangers_see_no_account(demo: Demo) -> None:
    page = demo.get("/").body

    assert b"Log in" in page
    assert b"acme.example" not in page


def test_a_mail_is_in_the_inbox_as_soon_as_it_is_accepted(demo: Demo) -> None:
    with demo.smtp() as client:
        client.login(demo.said["smtp"]["username"], demo.said["smtp"]["password"])
        client.sendmail(
            "me@example.com",
            ["anna@example.net", "ben@example.net"],
            "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Number: 7\r\n\r\nHello\r\n",
        )
        (mail,) = (mail for mail in demo.inbox() if mail["mail_from"] == "me@example.com")

    assert set(mail) == {"received_at", "mail_from", "recipients", "headers", "text"}
    assert mail["recipients"] == ["anna@example.net", "ben@example.net"]
    assert mail["headers"] == {"Subject": "Grüße", "X-Number": "7"}
    assert mail["text"].strip() == "Hello"
    assert "Grüße" in demo.get("/inbox").body.decode()


def test_mail_is_in_the_mailbox_of_all_and_an_answer_in_its_own(demo: Demo) -> None:
    smtp, imap = demo.said["smtp"], demo.said["imap"]
    with demo.smtp() as client:
        client.login(smtp["username"], smtp["password"])
        text = "From: support@acme.example\r\nMessage-ID: <asked@acme.example>\r\n\r\nHello?\r\n"
        client.sendmail("support@acme.example", ["answers@example.net"], text)

    wanted = [
        (imap["username"], '(HEADER Message-ID "<asked@acme.example>")'),
        ("support@acme.example", '(HEADER In-Reply-To "<asked@acme.example>")'),
    ]
    for user, criteria in wanted:
        with imaplib.IMAP4(imap["host"], imap["port"], timeout=30) as mailbox:
            mailbox.login(user, imap["password"])
            mailbox.select(readonly=True)
            (found,) = mailbox.search(None, criteria)[1]
        assert len(found.split()) == 1


def test_the_mail_server_takes_nothing_without_the_password(demo: Demo) -> None:
    with demo.smtp() as client:
        client.ehlo()
        assert client.mail("me@example.com")[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(demo.said["smtp"]["username"], "not-the-password")
        assert client.mail("me@example.com")[0] == 530


def test_the_mail_in_the_queues_leaves(demo: Demo) -> None:
    senders = {"support@acme.example", "news@acme.example"}

    assert wait_until(lambda: senders <= {mail["mail_from"] for mail in demo.inbox()})


def test_a_worker_that_is_killed_comes_back(demo: Demo) -> None:
    before = demo.children()
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)

    assert wait_until(lambda: len(set(demo.children()) - set(before)) == 1)


# What SIGTERM leaves is looked at wherever a demo was running.
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_demo_beside_another_one(
    ending: signal.Signals, demo: Demo, tmp_path: Path
) -> None:
    with running(tmp_path / "var") as other:
        assert other.said["url"] != demo.said["url"]
        assert other.said["smtp"]["password"] != demo.said["smtp"]["password"]
        children = other.children()
        assert len(children) == 2
        other.process.send_signal(ending)
        code = other.process.wait(END_SECONDS)

    assert code == (-signal.SIGKILL if ending == signal.SIGKILL else 0)
    assert wait_until(lambda: not any(is_alive(pid) for pid in children))
    assert not accepts(other.said["url"])
    assert list((tmp_path / "var").glob("run-*")) == [] or ending == signal.SIGKILL
    assert accepts(demo.said["url"])


def test_the_whole_job_is_done_without_a_person(tmp_path: Path) -> None:
    var = tmp_path / "var"
    abandoned = var / "run-abandoned"
    abandoned.mkdir(parents=True)
    (abandoned / "lock").touch()
    done = subprocess.run(
        [sys.executable, "manage.py", "demo", "--once"],
        cwd=ROOT,
        env=environment(var),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.endswith(" ok")]
    assert [(row[0], row[5], row[6]) for row in rows] == [
        ("support@acme.example", "12", "12"),
        ("news@acme.example", "8", "8"),
    ]
    assert "Traceback" not in done.stderr
    assert list(var.glob("run-*")) == []
