"""anymail's backends, one for each session: with the account's own key and nothing of the host project's settings."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import requests
from anymail.exceptions import AnymailNotSupportedWarning

from mailconfig.mail_services import MailService
from mailconfig.transports.http.adapter import GateAdapter
from mailconfig.values import ConnectionSettings

logger = logging.getLogger(__name__)

# It tells the deployment's programmers that anymail's own tests do not cover SendGrid any more. Ours do.
warnings.filterwarnings(
    "ignore", "django-anymail has dropped official support for SendGrid", AnymailNotSupportedWarning
)


def backend_for(
    name: str, service: MailService, url: str, settings: ConnectionSettings, adapter: GateAdapter
) -> Any:
    """Return the backend of that name, whose requests go through ``adapter``. It has the key: never show it."""
    backend: Any = import_module(f"anymail.backends.{name}").EmailBackend(
        api_url=url,
        # What it cannot say is an error, what became of each recipient is ours to judge, and requests are not printed.
        ignore_unsupported_features=False,
        ignore_recipient_status=True,
        debug_api_requests=False,
        send_defaults=None,
        idna_encoder="idna2008",
        timeout=None,
        **_options(service, settings),
    )
    backend.send_defaults = {}
    backend.session = _session(adapter)
    backend.run_post_send = partial(_tell_receivers, backend.run_post_send)
    return backend


def _tell_receivers(tell: Callable[[Any], None], form: Any) -> None:
    """Send anymail's signal post_send; a mail that the service has taken is taken, whatever a receiver makes of it."""
    try:
        tell(form)
    except Exception:
        logger.exception("a receiver of anymail's signal post_send failed")


def _options(service: MailService, settings: ConnectionSettings) -> Mapping[str, object]:
    options = dict(service.options)
    if settings.secret is not None:
        options[service.key_option] = settings.secret.reveal()
    if service.user_option:
        options[service.user_option] = settings.username or None
    return options


def _session(adapter: GateAdapter) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.adapters.clear()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
