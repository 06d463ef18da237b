"""``manage.py demo``: everything that mailconfig does, on this machine, with nothing to install."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import time
from argparse import ArgumentParser
from contextlib import ExitStack
from dataclasses import asdict
from shlex import quote
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.urls import reverse

from mailconfig import delivery
from mailconfig.conf import get_settings
from mailconfig.models import Mailbox, OutboundEmail
from project.demo.answers import ask
from project.demo.children import ChildFailed, Children
from project.demo.content import (
    Login,
    People,
    make_account_to_connect,
    make_mailboxes,
    make_people,
    queue_by_delivery,
    queue_by_send_mail,
)
from project.demo.listeners import HOST, listen
from project.demo.rehearsal import rehearse
from project.demo.runs import FolderInUse, open_run, remove_run
from project.demo.servers import start_authority, start_mail_servers
from project.folders import RUN
from project.inbox.store import inbox
from project.tokens.making import LIFETIME, NewToken, replace_demo_token

WEB_PORT = 8000
START_SECONDS = 60.0
STARTED = "DEMO_STARTED_AS"
"""Environment variable: the process that was begun again in a folder of its own. Its number stays over ``exec``."""
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    """Starts web server, mail server, worker and beat; ends all of them with itself."""

    help = (
        "Shows mailconfig at work: web server, mail server, worker and beat on this machine. Ctrl-C ends it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The three ways to run it, and whether to begin afresh."""
        parser.add_argument(
            "--once", action="store_true", help="do the job without a person, check it, and exit"
        )
        parser.add_argument(
            "--json", action="store_true", help="print one line for scripts when everything is up"
        )
        parser.add_argument(
            "--keep", action="store_true", help="go on with the data of the last run with --keep"
        )

    def handle(self, *args: Any, once: bool, json: bool, keep: bool, **options: Any) -> None:
        """Run until a person ends it, or with ``once`` until the job is done."""
        if os.environ.get(STARTED) != str(os.getpid()):
            self._start_in_folder(keep=keep)
        self._json = json
        for number in ENDINGS:
            signal.signal(number, _interrupt)
        problems: list[str] = []
        try:
            with ExitStack() as stack:
                problems = self._run(stack, once=once)
        except KeyboardInterrupt:
            self._say("Ended.")
        except ChildFailed as error:
            problems = [str(error)]
        except (DatabaseError, sqlite3.Error) as error:
            problems = [f"The database {connection.settings_dict['NAME']} does not work: {error}"]
        if problems:
            raise CommandError("\n".join([*problems, f"The logs are in {RUN}"]))
        connection.close()
        remove_run(RUN)

    def _start_in_folder(self, *, keep: bool) -> None:
        """Begin again in a folder for this run: the settings that were read are those of another."""
        try:
            folder = open_run(keep=keep)
        except FolderInUse as error:
            raise CommandError(str(error)) from error
        os.environ |= {"DEMO_RUN": str(folder), STARTED: str(os.getpid())}
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - the command line as it was

    def _run(self, stack: ExitStack, *, once: bool) -> list[str]:
        # Not at the top: it sets Django's WSGI application up.
        from project.demo.web import serve

        web_sockets = listen(WEB_PORT)
        url = f"http://{HOST}:{web_sockets[0].getsockname()[1]}"
        self._say("Starting …")
        call_command("migrate", verbosity=0, interactive=False)
        people = make_people()
        _reached_at(url)
        redirect_uri = delivery.redirect_uri_of(reverse("mailconfig-oauth2-callback"))
        authority = start_authority(stack, redirect_uri=redirect_uri)
        smtp, imap = start_mail_servers(stack, inbox, authority)
        mailboxes = make_mailboxes(people, smtp=smtp, imap=imap)
        to_connect = make_account_to_connect(people, smtp=smtp, authority=authority)
        children = Children(say=self._complain)
        stack.callback(children.end)
        children.start()
        serve(web_sockets)
        children.wait_until_ready(seconds=START_SECONDS)
        if not once:
            self._fill(people, mailboxes)
        self._tell(url, smtp, imap, people, replace_demo_token(people.admin), to_connect=to_connect)
        if once:
            problems = rehearse(
                people, mailboxes, to_connect, inbox, look_after=children.look_after, say=self._say
            )
            if not problems:
                self._say(
                    "Everything arrived once, in order and within the limits. A wrong password was told at the login."
                    " A reply and a bounce came in, and are tied to their mail. Somebody signed in for an account, which works."
                )
            return problems
        while True:
            children.look_after()
            time.sleep(1)

    def _fill(self, people: People, mailboxes: tuple[Mailbox, Mailbox]) -> None:
        """Prove both halves of both mailboxes, and queue what is answered, what comes back, and what takes some minutes."""
        for mailbox in mailboxes:
            delivery.probe_account(account_id=mailbox.pk, requested_by=people.admin)
            delivery.probe_sync(account_id=mailbox.pk, requested_by=people.admin)
        support, news = mailboxes
        ask(support, news)
        queue_by_send_mail(support, 30)
        queue_by_delivery(news, 40)

    def _tell(
        self,
        url: str,
        smtp: Login,
        imap: Login,
        people: People,
        token: NewToken,
        *,
        to_connect: OutboundEmail,
    ) -> None:
        inbox_url = f"{url}{reverse('inbox-json')}"
        page = f"{url}{reverse('admin:mailconfig_outboundemail_change', args=[to_connect.pk])}"
        if self._json:
            line = {
                "url": url,
                "admin": {"username": people.admin.get_username(), "password": people.password},
                "token": token.value,
                "tenant": people.tenant.slug,
                "email_service": f"{url}{reverse('mailconfig-email-openapi').rpartition('/')[0]}",
                "smtp": asdict(smtp),
                "imap": asdict(imap),
                "inbox": inbox_url,
                "to_connect": page,
            }
            self.stdout.write(json.dumps(line))
            self.stdout.flush()
            return
        port = url.rpartition(":")[2]
        self._say(
            f"""
  Start here     {url}   (also http://{people.tenant.slug}.localhost:{port})
  Admin          {url}{reverse("admin:index")}
                 user {people.admin.get_username()}, password {people.password}
  API token      {token.value}
                 as Authorization: Bearer …, for {LIFETIME.total_seconds() / 3600:g} hours
  To connect     {page}
                 press Connect, and agree at the demo's sign-in service
  Mail received  {url}{reverse("inbox")}   (for scripts: {inbox_url})
  Mail server    {smtp.host}, SMTP on port {smtp.port}, IMAP on port {imap.port}, with TLS, STARTTLS or without, as you like
                 user {smtp.username}, password {smtp.password}
  Logs and data  {RUN}
                 DEMO_RUN={quote(str(RUN))} {quote(sys.executable)} manage.py mailconfig_status
"""
        )

    def _say(self, text: str) -> None:
        """To the person; with ``--json`` standard output is the script's."""
        stream = self.stderr if self._json else self.stdout
        stream.write(text, str)
        stream.flush()

    def _complain(self, text: str) -> None:
        self.stderr.write(text, str)
        self.stderr.flush()


def _reached_at(url: str) -> None:
    """Say in the settings, and to the processes that are started, where browsers reach the demo, which is known only now."""
    os.environ["DEMO_URL"] = url
    settings.MAILCONFIG |= {"OAUTH2_REDIRECT_BASE": url, "PUBLIC_BASE_URL": url}
    get_settings.cache_clear()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End, once: the ending itself takes some seconds at most and is not to be interrupted."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    raise KeyboardInterrupt
