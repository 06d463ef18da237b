"""A sign-in at the demo's service without a browser, as the rehearsal needs one."""

from __future__ import annotations

import http.client
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from django.contrib.auth.models import User
from django.urls import reverse

from mailconfig import delivery
from mailconfig.models import Account, ConnectionCheck

SECONDS = 10.0


def connect(account: Account, *, by: User) -> ConnectionCheck:
    """Agree at the service, take what it sends the browser back with, and try the connection.

    Raises:
        MailconfigError: it came to nothing.
    """
    redirect_uri = delivery.redirect_uri_of(reverse("mailconfig-oauth2-callback"))
    url, begun = delivery.begin_sign_in(account=account, by=by, redirect_uri=redirect_uri)
    answer = {name: values[0] for name, values in parse_qs(urlsplit(_agree(url)).query).items()}
    delivery.finish_sign_in(sign_in=begun, answer=answer, by=by)
    return delivery.probe_account(account_id=account.pk, requested_by=by)


def _agree(url: str) -> str:
    """Press the button of the page that asks, and return where it leads."""
    asked = urlsplit(url)
    there = http.client.HTTPConnection(asked.netloc, timeout=SECONDS)
    try:
        there.request(
            "POST",
            "/agree",
            urlencode({"query": quote(asked.query), "agrees": "yes"}),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
        return there.getresponse().getheader("Location", "")
    finally:
        there.close()
