"""URLs: what is one, in which parts, and why a text is none."""

from __future__ import annotations

import pytest

from mailconfig.http_urls import InvalidUrl, UrlFault, check_url, redirected
from tests.servers.hostile_hosts import NO_HOST_NAMES


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://files.test", "https files.test 443 /"),
        ("https://files.test/a/b.pdf?x=1&y[]=2", "https files.test 443 /a/b.pdf?x=1&y[]=2"),
        ("https://files.test?x", "https files.test 443 /?x"),
        ("HTTPS://FILES.test:443/A", "https files.test 443 /A"),
        ("https://files.test:8443/", "https files.test 8443 /"),
        ("https://bücher.test/Rechnung-März.pdf", "https xn--bcher-kva.test 443 /Rechnung-M%C3%A4rz.pdf"),
        ("https://straße.test/", "https xn--strae-oqa.test 443 /"),
        ("https://files.test//a/%2e%2e/b", "https files.test 443 //a/%2e%2e/b"),
        ("https://192.0.2.1/", "https 192.0.2.1 443 /"),
        ("https://[2001:DB8::1]:444/x", "https 2001:db8::1 444 /x"),
    ],
)
def test_a_url_has_its_parts(text: str, parts: str) -> None:
    url = check_url(text)
    assert f"{url.scheme} {url.host} {url.port} {url.target}" == parts
    assert check_url(str(url)) == url


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        *(
            (scheme, UrlFault.SCHEME)
            for scheme in ("", "/a", "//files.test/a", "files.test/a", "http://files.test/")
        ),
        *(
            (f"{scheme}//files.test/a", UrlFault.SCHEME)
            for scheme in (
                "ftp:",
                "file:",
                "gopher:",
                "javascript:",
                "data:",
                "ws:",
                " https:",
                "https :",
                "httpſ:",
            )
        ),
        ("https:files.test", UrlFault.SYNTAX),
        ("https:/files.test", UrlFault.SYNTAX),
        ("https:///a", UrlFault.SYNTAX),
        ("https:/\\/files.test", UrlFault.SYNTAX),
        ("https:\\\\files.test", UrlFault.SYNTAX),
        ("https://files.test\\@evil.test/", UrlFault.USERINFO),
        ("https://files.test\\.evil.test/", UrlFault.HOST),
        ("https://me@files.test/", UrlFault.USERINFO),
        ("https://me:secret@files.test/", UrlFault.USERINFO),
        ("https://@files.test/", UrlFault.USERINFO),
        ("https://files.test/#page", UrlFault.FRAGMENT),
        ("https://files.test/#", UrlFault.FRAGMENT),
        ("https://files.test#@evil.test/", UrlFault.FRAGMENT),
        ("https://files.test:0/", UrlFault.PORT),
        ("https://files.test:65536/", UrlFault.PORT),
        ("https://files.test:/", UrlFault.PORT),
        ("https://files.test:+1/", UrlFault.PORT),
        ("https://files.test:４４３/", UrlFault.PORT),
        ("https://files.test:443:443/", UrlFault.PORT),
        ("https://2001:db8::1/", UrlFault.PORT),
        ("https://[fe80::1%25eth0]/", UrlFault.HOST),
        ("https://[fe80::1%eth0]/", UrlFault.HOST),
        ("https://[192.0.2.1]/", UrlFault.HOST),
        ("https://[files.test]/", UrlFault.HOST),
        ("https://files%2etest/", UrlFault.HOST),
        ("https://files.test/a b", UrlFault.SYNTAX),
        ("https://files.test/a\tb", UrlFault.SYNTAX),
        ("https://files.test/a\nb", UrlFault.SYNTAX),
        ("https://files.test/\r\nX: y", UrlFault.SYNTAX),
        ("https://files.test/\0", UrlFault.SYNTAX),
        ("https://files.test/\u2028", UrlFault.SYNTAX),
        ("https://files.test/\u202efdp.exe", UrlFault.SYNTAX),
        ("https://files.test/\ud800", UrlFault.SYNTAX),
        ("https://files.test/a\\b", UrlFault.SYNTAX),
        ("https://files.test/%", UrlFault.SYNTAX),
        ("https://files.test/%zz", UrlFault.SYNTAX),
        ('https://files.test/"<script>', UrlFault.SYNTAX),
        ("https://files.test/" + "a" * 2030, UrlFault.LENGTH),
    ],
)
def test_what_is_no_url_is_told_by_its_fault_and_not_repeated(text: str, fault: UrlFault) -> None:
    with pytest.raises(InvalidUrl) as caught:
        check_url(text)
    assert caught.value.fault is fault
    assert "files" not in str(caught.value)


@pytest.mark.parametrize(
    "host", sorted({*NO_HOST_NAMES} - {"mail.test/", "mail.test?", "mail.test:25", "[::1]"})
)
def test_no_hostile_host_is_one_in_a_url(host: str) -> None:
    with pytest.raises(InvalidUrl):
        check_url(f"https://{host}/path")


def test_a_url_of_2048_characters_is_one() -> None:
    assert len(str(check_url("https://files.test/" + "a" * 2029))) == 2048


def test_plain_http_is_one_where_it_is_allowed() -> None:
    assert check_url("http://files.test/", plain_http=True).port == 80


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "https://files.test/b"),
        ("b?x#y", "https://files.test/a/b?x"),
        ("../b", "https://files.test/b"),
        ("?q=1", "https://files.test/a/old?q=1"),
        ("//other.test/b", "https://other.test/b"),
        ("https://other.test:444/b", "https://other.test:444/b"),
    ],
)
def test_a_redirect_leads_on_from_where_it_stands(location: str, target: str) -> None:
    assert str(redirected(check_url("https://files.test/a/old"), location)) == target


@pytest.mark.parametrize(
    "location",
    [
        "", "#x", "http://files.test/", "ftp://files.test/", "file:///etc/passwd", "//me@files.test/", "https://", "https:b", "//[",
        "\\\\evil.test/", "/\\evil.test/", "ht\ntps://evil.test/", " /b", "/a b", "https://files.test/\x7f", "/" + "a" * 2049,
    ],
)  # fmt: skip
def test_a_redirect_that_leads_to_no_url_of_ours_is_refused(location: str) -> None:
    with pytest.raises(InvalidUrl):
        redirected(check_url("https://files.test/a/old"), location, plain_http=True)


def test_from_plain_http_a_redirect_may_lead_to_it_again() -> None:
    start = check_url("http://files.test/a", plain_http=True)
    assert str(redirected(start, "b", plain_http=True)) == "http://files.test/b"
    with pytest.raises(InvalidUrl):
        redirected(start, "b")
