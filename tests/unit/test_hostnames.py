"""What is a host name, before any look-up."""

import pytest

from mailconfig.hostnames import check_host, check_listed_host
from tests import growth
from tests.servers.hostile_hosts import NO_HOST_NAMES


@pytest.mark.parametrize("host", NO_HOST_NAMES)
def test_what_is_no_host_name_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        check_host(host)
    assert len(host) < 3 or host not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        ("Mail.Example.COM", "mail.example.com"),
        ("mailhog", "mailhog"),
        ("localhost", "localhost"),
        ("1and1.com", "1and1.com"),
        ("123.example", "123.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("почта.example", "xn--80a1acny.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_a_host_name_gets_the_one_form_that_is_looked_up(host: str, normal: str) -> None:
    assert check_host(host) == normal


def test_a_long_text_is_refused_in_time_by_its_length_only() -> None:
    def refuse(host: str) -> None:
        with pytest.raises(ValueError, match="253"):
            check_host(host)

    whole = "".join(chr(0x4E00 + number) for number in range(20_000))
    assert growth.is_even(refuse, whole, whole[: len(whole) // growth.STEP])


LISTED = [
    check_listed_host(name) for name in ("Mail_Server", "mailpit.", "_smtp.other.test", "127.0.0.1", "::1")
]


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        ("mail_server", "mail_server"),
        ("MAIL_SERVER", "mail_server"),
        ("mail_server.", "mail_server"),
        ("mailpit", "mailpit"),
        ("mailpit.", "mailpit"),
        ("_smtp.other.test", "_smtp.other.test"),
        ("127.0.0.1", "127.0.0.1"),
        ("0::1", "::1"),
        ("mail.example", "mail.example"),
    ],
)
def test_names_of_containers_are_hosts_where_the_deployment_lists_them(host: str, normal: str) -> None:
    assert check_host(host, listed=LISTED) == normal


@pytest.mark.parametrize(
    "host",
    [*NO_HOST_NAMES, "mail_servers", "mail_server..", ".mail_server", "mail_server.test", "x.mail_server", "other.",
     "127.0.0.1.", "::1.", "mail_server:25", "mail-server_", "mail_sérver"],
)  # fmt: skip
def test_a_list_makes_nothing_else_a_host(host: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_host(host, listed=LISTED)


@pytest.mark.parametrize(
    "host", sorted({*NO_HOST_NAMES} - {"localhost.", "mail.test.", "mail_server.test", "_smtp.mail.test"})
)
def test_not_even_the_deployment_lists_what_is_no_name(host: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_listed_host(host)
