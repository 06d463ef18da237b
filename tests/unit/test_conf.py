"""``MAILCONFIG``: each key is checked by type and range, in words that name it, before anything uses it."""

from __future__ import annotations

import math
from dataclasses import fields
from ipaddress import ip_network
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from mailconfig.conf import Settings, get_settings, setting_problems

DEFAULTS = Settings()
KEYS = [item.name.upper() for item in fields(Settings)]


def default(key: str) -> Any:
    """What a key is where nobody sets it."""
    return getattr(DEFAULTS, key.lower())


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


NUMBERS = [key for key in KEYS if is_number(default(key))]
SWITCHES = [key for key in KEYS if isinstance(default(key), bool)]
TEXTS = [key for key in KEYS if isinstance(default(key), str)]
LISTS = [key for key in KEYS if isinstance(default(key), tuple)]


@pytest.fixture
def problem(settings: Any) -> Any:
    """The one sentence about a dictionary that cannot be used."""

    def found(given: object) -> str:
        settings.MAILCONFIG = given
        (only,) = setting_problems()
        with pytest.raises(ImproperlyConfigured) as caught:
            get_settings()
        assert str(caught.value) == only
        return str(only)

    return found


def test_the_defaults_can_be_used(settings: Any) -> None:
    settings.MAILCONFIG = {key: default(key) for key in KEYS}
    assert setting_problems() == []
    assert get_settings() == DEFAULTS


def test_without_a_dictionary_the_defaults_count(settings: Any) -> None:
    settings.MAILCONFIG = {}  # tells of the change, which deleting does not
    del settings.MAILCONFIG
    assert get_settings() == DEFAULTS


@pytest.mark.parametrize("given", [None, [], "WINDOW", 3, ["WINDOW", 3]])
def test_what_is_no_dictionary_is_refused_in_words(problem: Any, given: object) -> None:
    assert problem(given).startswith("MAILCONFIG must be a dictionary, not ")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [object(), b"x", {"x": object()}], ids=["object", "bytes", "dictionary"])
def test_every_key_is_checked_by_type(problem: Any, key: str, value: object) -> None:
    assert f"MAILCONFIG[{key!r}]" in problem({key: value})


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("value", [-1, 10**12, math.inf, -math.inf, math.nan, True, "1", None, [1]], ids=repr)
def test_every_number_is_checked_by_range(problem: Any, key: str, value: object) -> None:
    """Whoever adds a number annotates it with a range of ``setting_types``."""
    assert problem({key: value}).startswith(f"MAILCONFIG[{key!r}] must be ")


@pytest.mark.parametrize("key", SWITCHES)
@pytest.mark.parametrize("value", [0, 1, "True", "false", "", None], ids=repr)
def test_a_switch_is_true_or_false_and_nothing_that_python_takes_for_it(
    problem: Any, key: str, value: object
) -> None:
    assert problem({key: value}).startswith(f"MAILCONFIG[{key!r}] must be True or False, not ")


@pytest.mark.parametrize("key", TEXTS)
@pytest.mark.parametrize("value", [3, None, ["x"], "two\nlines", "x" * 3 + "\0"], ids=repr)
def test_a_text_is_one_line(problem: Any, key: str, value: object) -> None:
    assert problem({key: value}).startswith(f"MAILCONFIG[{key!r}] must be ")


@pytest.mark.parametrize("key", LISTS)
def test_a_list_is_no_value_alone(problem: Any, key: str) -> None:
    assert "must be a list, not the text 'x': write ['x']." in problem({key: "x"})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"WINDOWS": 3}, "unknown key 'WINDOWS'. Did you mean 'WINDOW'?"),
        ({"window": 3}, "unknown key 'window'. Did you mean 'WINDOW'?"),
        ({"INSTALATION_ID": "x"}, "Did you mean 'INSTALLATION_ID'?"),
        ({"ALLOWED_HOST": ["x"]}, "Did you mean 'ALLOWED_HOSTS'?"),
        ({"Nothing like it": 1}, "unknown key 'Nothing like it'."),
        ({3: 3}, "unknown key 3."),
        ({"WINDOW": 0}, "must be at least 1, not 0."),
        ({"LEASE_SECONDS": 0}, "must be more than 0, not 0."),
        ({"RETENTION_DAYS": 36_501}, "must be at most 36500, not 36501."),
        ({"WINDOW": "3"}, "must be a whole number, not the text '3'."),
        ({"WINDOW": 1.0}, "must be a whole number, not 1.0."),
        ({"PROBE_SECONDS": "10"}, "must be a number, not the text '10'."),
        ({"INSTALLATION_ID": "x" * 256}, "must have at most 255 characters, and has 256."),
        ({"AMBIGUITY": "maybe"}, "must be 'retry' or 'hold', not the text 'maybe'."),
        ({"ALLOWED_PORTS": 1025}, "must be a list, not 1025: write [1025]."),
        ({"ALLOWED_PORTS": [25, "587"]}, "MAILCONFIG['ALLOWED_PORTS'][1] must be a whole number"),
        ({"ALLOWED_PORTS": [65536]}, "must be at most 65535"),
        ({"ALLOWED_NETWORKS": ["10.1.2.3/16"]}, "write '10.1.0.0/16', or the address alone."),
        ({"DNS_SERVERS": ["ns.example.com"]}, "must be an address such as 192.0.2.53"),
        ({"DNS_SERVERS": ["192.0.2.53:0"]}, "must be an address such as"),
        ({"DNS_SERVERS": ["192.0.2.53:"]}, "must be an address such as"),
        ({"DNS_SERVERS": ["[192.0.2.53]:53"]}, "must be an address such as"),
        ({"DNS_SERVERS": ["[::1]"]}, "must be an address such as"),
        ({"ALLOWED_NETWORKS": ["mailpit"]}, "names of hosts go into ALLOWED_HOSTS."),
        ({"ALLOWED_NETWORKS": ["not a network"]}, "must be a network such as 10.1.0.0/16"),
        ({"ALLOWED_HOSTS": ["mailpit:1025"]}, "ports go into ALLOWED_PORTS."),
        ({"ALLOWED_HOSTS": ["10.1.0.0/16"]}, "networks go into ALLOWED_NETWORKS."),
        ({"ALLOWED_HOSTS": ["*.internal"]}, "patterns are not taken, list each name."),
        ({"ALLOWED_HOSTS": [".internal"]}, "patterns are not taken, list each name."),
        ({"ALLOWED_HOSTS": ["127.0.0.1."]}, "an address has no dot at its end."),
        ({"EHLO_NAME": "two words"}, "must be a host name or an address in brackets"),
        ({"EHLO_NAME": "x\r\nMAIL FROM:<>"}, "must be one line"),
        ({"TIMEOUTS": {"dots": 1}}, "unknown key 'dots'. Did you mean 'dot'?"),
        ({"TIMEOUTS": {"patience": 1}}, "There are connect, banner, command, "),
        ({"TIMEOUTS": {"total": 5}}, "PROBE_SECONDS bounds what somebody waits for."),
        ({"TIMEOUTS": {"dot": 0}}, "MAILCONFIG['TIMEOUTS']['dot'] must be more than 0, not 0."),
        ({"BACKOFF_SECONDS": []}, "must name one wait at least."),
        ({"BACKOFF_SECONDS": [60, 0]}, "MAILCONFIG['BACKOFF_SECONDS'][1] must be more than 0, not 0."),
        ({"RETRY_SECONDS": 86400}, "MAILCONFIG['RETRY_CAP_SECONDS'] must be at least RETRY_SECONDS"),
        ({"STORAGE": "x" * 1000 + "\n"}, "…."),
    ],
    ids=lambda value: repr(value)[:50] if isinstance(value, dict) else "",
)
def test_what_cannot_be_used_is_told_with_what_is_probably_meant(
    problem: Any, given: object, words: str
) -> None:
    assert words in problem(given)


def test_everything_that_is_wrong_is_told_at_once(settings: Any) -> None:
    settings.MAILCONFIG = {"WINDOWS": 1, "WINDOW": 0, "OUTBOX": 1}
    assert len(setting_problems()) == 3
    with pytest.raises(ImproperlyConfigured, match=r"(?s)WINDOWS.*WINDOW.*OUTBOX"):
        get_settings()


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset])
def test_a_list_may_be_of_any_kind(settings: Any, kind: type) -> None:
    settings.MAILCONFIG = {"ALLOWED_PORTS": kind([25, 587]), "ALLOWED_NETWORKS": kind(["10.0.0.0/8", "::1"])}

    policy = get_settings().network_policy()

    assert policy.allowed_ports == frozenset({25, 587})
    assert set(policy.allowed_networks) == {ip_network("10.0.0.0/8"), ip_network("::1/128")}


def test_hosts_are_listed_as_containers_have_them_and_compared_in_one_form(settings: Any) -> None:
    settings.MAILCONFIG = {
        "ALLOWED_HOSTS": ["Mail_Server", "mailpit.", "bücher.example", "0:0::1", "127.0.0.1"]
    }

    assert get_settings().network_policy().allowed_hosts == {
        "mail_server", "mailpit", "xn--bcher-kva.example", "::1", "127.0.0.1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"mircosoft": "https://login.example.com"}, "unknown service 'mircosoft'"),
        ({"microsoft": "http://127.0.0.1:8000"}, "ALLOW_PLAIN_HTTP is off"),
        ({"microsoft": "http://login.example.com"}, "must begin with https"),
        ({"google": "login.example.com"}, "must be an address such as"),
        ({"google": "https://me@login.example.com"}, "must be an address such as"),
        ({"google": "https://login.example.com/?a"}, "must be an address such as"),
    ],
)
def test_where_a_service_lives_is_checked(problem: Any, given: dict[str, str], words: str) -> None:
    assert words in problem({"OAUTH2_AUTHORITIES": given})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sendgird": "https://x.example.com/"}, "unknown service 'sendgird'"),
        ({"sendgrid": "https://x.example.com/v3"}, "has to end with a slash"),
        ({"sendgrid": "http://127.0.0.1:1/v3/"}, "ALLOW_PLAIN_HTTP is off"),
        ({"sendgrid": "http://x.example.com/v3/"}, "must begin with https"),
    ],
)
def test_where_a_mail_service_lives_is_checked(problem: Any, given: dict[str, str], words: str) -> None:
    assert words in problem({"SEND_API_URLS": given})


def test_a_name_server_may_have_a_port(settings: Any) -> None:
    settings.MAILCONFIG = {"DNS_SERVERS": ["192.0.2.53", "127.0.0.1:5353", "::1", "[2001:db8::1]:65535"]}

    assert get_settings().name_servers() == [
        ("192.0.2.53", 53),
        ("127.0.0.1", 5353),
        ("::1", 53),
        ("2001:db8::1", 65535),
    ]
