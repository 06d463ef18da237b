"""The email service: mails, test mails and credentials of the tenant that a header names."""

from __future__ import annotations

from typing import Any

from mailconfig.models import AccountKind, Suppression
from tests.canary import LOGIN
from tests.contract.corpus import values
from tests.contract.surface import Call, Surface
from tests.factories import make_message

UNKNOWN_UUID = "6d8b1b0c-5d4f-4a86-9d58-000000000000"

SEND = "email-service/send-email"
MESSAGE = "email-service/messages/<str:message_id>"
TEST = "email-service/send-test-email"
VALIDATE = "email-service/validate-credentials"
LIST = "email-service/suppressions"
ENTRY = "email-service/suppressions/<str:suppression_id>"
CHECK = "email-service/checks/<str:check_id>"

ACCESS = f"""
                  anonymous inactive stranger outsider colleague reader keeper owner staff clerk superuser
POST   {SEND}     401       401      404      404      202       202    202    202   202   202   202
GET    {MESSAGE}  401       401      404      404      200       200    200    200   200   200   200
DELETE {MESSAGE}  401       401      404      404      204       204    204    204   204   204   204
POST   {TEST}     401       401      404      404      200       200    200    200   200   200   200
POST   {VALIDATE} 401       401      404      404      200       200    200    200   200   200   200
GET    {LIST}     401       401      404      404      403       200    200    403   403   200   200
POST   {LIST}     401       401      404      404      403       403    201    403   403   201   201
GET    {ENTRY}    401       401      404      404      403       200    200    403   403   200   200
DELETE {ENTRY}    401       401      404      404      403       403    204    403   403   204   204
GET    {CHECK}    401       401      404      404      404       404    200    404   404   404   404
"""

QUERIES = f"""
                  sqlite postgres
POST   {SEND}     7      4
GET    {MESSAGE}  6      7
DELETE {MESSAGE}  12     13
POST   {TEST}     22     25
POST   {VALIDATE} 8      9
GET    {LIST}     5      5
POST   {LIST}     7      7
GET    {ENTRY}    5      5
DELETE {ENTRY}    6      6
GET    {CHECK}    3      3
"""

FIELDS = (
    "email",
    "smtp_host",
    "smtp_port",
    "smtp_user",
    "smtp_pass",
    "from_name",
    "from_address",
    "microsoft_auth",
    "recipient",
    "subject",
    "message",
    "attachments",
    "unsubscribe",
    "address",
    "reason",
    "note",
)


def server(port: int) -> dict[str, Any]:
    """A STARTTLS server."""
    return {"smtp_host": "127.0.0.1", "smtp_port": str(port), "smtp_user": LOGIN}


def problem(status: int, body: Any) -> set[str] | None:
    """``{"message"}``, which names a field that it is about; of a failed check also its code and stage."""
    assert isinstance(body, dict)
    assert set(body) == ({"message", "code", "stage"} if status == 422 else {"message"}), body
    assert body["message"]
    return {name for name in FIELDS if f"{name}: " in body["message"]} if status == 400 else None


BELOW: dict[int, dict[str, str]] = {}
"""The mail of each row of the world that was made last."""


def prepare(world: Any) -> None:
    """Make a mail that waits for each row, and an entry of its tenant's list."""
    BELOW.clear()
    for row in (world.row, world.foreign):
        entry = Suppression.objects.create(tenant=row.tenant, address="listed@example.net", reason="bounce")
        BELOW[row.pk] = {"message_id": str(make_message(row).uuid), "suppression_id": str(entry.pk)}


def places_below(row: Any) -> dict[str, str]:
    """The mail and the entry of a row; one that was made later has none."""
    return BELOW.get(row.pk) or {"message_id": UNKNOWN_UUID, "suppression_id": "999999999"}


ADDRESSES = (values.ADDRESSES, values.NO_TEXTS, values.NULL, values.EMPTY)
TEXTS = (
    values.NO_TEXTS,
    values.NULL,
    values.EMPTY,
    ("a\x07", "a\x1b[31m", "a\x7f", "a\x9b", "\x00", "\ud800"),
)
CONNECTION = {
    "smtp_host": (values.HOSTS, values.NO_TEXTS, values.NULL, values.EMPTY),
    "smtp_port": (values.PORTS, values.NULL, values.EMPTY, (25, 587)),
    "smtp_user": (values.LINES, values.LONG_LINES, values.NO_TEXTS, values.NULL),
    "smtp_pass": (values.SECRETS, values.SECRET_IS_STORED, values.NULL, values.EMPTY),
}
APP = {"tenant_id": "contoso.example", "client_id": "6d8b1b0c", "client_secret": "not-a-real-secret"}
WRONG_ANYWHERE: tuple[Any, ...] = (None, "", 1, [], {}, "a\nb", "a\x00", "ä" * 70_000)
WRONG_PARTS: dict[str, tuple[Any, ...]] = {
    "tenant_id": ("../../x", "a/b", "a b", "a..b", ".", "a?b", "a#b", "%2e", "a" * 300),
    "client_id": ("../x", "a b", "a:b", "a" * 129),
    "client_secret": ("***", True, "a" * 1025, "a\r\nb"),
    "user": ("a@b.test\x01", "nobody", "", None, 1),
}
APPS: tuple[object, ...] = (
    None,
    "",
    "contoso",
    [],
    [APP],
    {},
    *({name: value for name, value in APP.items() if name != missing} for missing in APP),
    *({**APP, name: value} for name in APP for value in WRONG_ANYWHERE),
    *({**APP, name: value} for name, several in WRONG_PARTS.items() for value in several),
    APP | {"authority": "https://evil.test"},
    APP | {"scope": "x"},
)
URLS = (
    "",
    "files.test/a.pdf",
    "//files.test/a.pdf",
    "ftp://files.test/a.pdf",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://files.test/a.pdf",
    "https://",
    "https:///a.pdf",
    "https:/\\files.test/a.pdf",
    "https:\\\\files.test/a.pdf",
    "https://user@files.test/a.pdf",
    "https://user:kanarienvogel@files.test/a.pdf",
    "https://files.test/a.pdf#page=2",
    "https://files.test:0/a.pdf",
    "https://files.test:22/a.pdf",
    "https://files.test:25/a.pdf",
    "https://files.test:6379/a.pdf",
    "https://files.test:65536/a.pdf",
    "https://files.test:x/a.pdf",
    "https://files.test\t/a.pdf",
    "https://files.test/a.pdf\n",
    "https://files.test/a b.pdf",
    "https://2130706433/a.pdf",
    "https://127.1/a.pdf",
    "https://127.0.0.1/a.pdf",
    "https://10.0.0.1/a.pdf",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/a.pdf",
    "https://[fd00::1]/a.pdf",
    "https://[fe80::1%25eth0]/a.pdf",
    "https://*/a.pdf",
    "https://files.test/\x00",
    "NS-EU-" + "1" * 300 + "-A",
)
"""Of no file that may be fetched."""
GOOD_URL = "https://files.test/a.pdf"
LONG_URL = "https://files.test/" + "a" * 2_048
ATTACHMENTS: tuple[object, ...] = (
    None,
    "",
    GOOD_URL,
    {},
    1,
    [None],
    [1],
    [""],
    [[]],
    [{"url": GOOD_URL}],
    [GOOD_URL] * 11,
    [LONG_URL],
    *([GOOD_URL, url] for url in URLS),
)

EMAIL_SERVICE = Surface(
    name="email_service",
    kind=AccountKind.TENANT_CONFIG,
    longest_body=2**22,
    refuses_unknown=True,
    stores=False,
    headers={"tenant": "{tenant}"},
    unknown=UNKNOWN_UUID,
    create=Call("POST", TEST, whole=True),
    update=Call("POST", TEST, {"from_name": "Renamed"}, whole=True),
    check=Call("POST", TEST, {"email": "someone@example.net"}),
    further=(
        Call("POST", SEND, {"recipient": "a@example.net", "subject": "Hello", "message": "Two\nlines"}),
        Call("GET", MESSAGE),
        Call("DELETE", MESSAGE),
        Call("POST", VALIDATE, {"smtp_host": "127.0.0.1", "smtp_port": "{port}"}),
        Call("GET", CHECK),
        Call("GET", LIST),
        Call("POST", LIST, {"address": "a@example.net", "note": "by phone"}),
        Call("GET", ENTRY),
        Call("DELETE", ENTRY),
    ),
    prepare=prepare,
    places_below=places_below,
    template={
        "email": "someone@example.net",
        "from_name": "Acme",
        "from_address": "noreply@example.com",
    },
    secret="smtp_pass",
    server=server,
    moves={
        "smtp_host": ("localhost", "127.0.0.2"),
        "smtp_port": ("{port}",),
        "smtp_user": ("someone@example.com",),
    },
    rename={"from_name": "Renamed"},
    fields={
        "email": ADDRESSES,
        **CONNECTION,
        "from_name": (values.LINES, values.LONG_LINES, values.NO_TEXTS, values.NULL),
        "from_address": ADDRESSES,
        "microsoft_auth": (APPS,),
    },
    further_fields={
        Call("POST", SEND): {
            "recipient": (
                tuple(value for value in values.ADDRESSES if value != "NS-EU-1-A"),
                *ADDRESSES[1:],
                ("NS-EU-1-A\n", "NS-EU-1", "ns-eu-1-a", "NS-EU-1-A NS-EU-1-B", "NS-EU-" + "1" * 300 + "-A"),
            ),
            "subject": (values.LINES, values.NO_TEXTS, values.NULL, values.EMPTY, ("a" * 999, "a" * 10_000)),
            "message": (*TEXTS, ("a" * 1_000_001,)),
            "attachments": (ATTACHMENTS,),
            "unsubscribe": (
                values.BOOLEANS,
                values.NUMBERS_AS_BOOLEANS,
                values.WORDS_AS_BOOLEANS,
                (True,),  # the site does not say where it is reached
            ),
        },
        Call("POST", LIST): {
            "address": (values.ADDRESSES, *ADDRESSES[1:]),
            "reason": (values.NO_TEXTS, values.NULL, values.EMPTY, ("because", "BOUNCE", "manual ")),
            "note": (values.LINES, values.LONG_LINES, values.NO_TEXTS, values.NULL),
        },
        Call("POST", VALIDATE): {
            **CONNECTION,
            "smtp_pass": (values.SECRETS, values.SECRET_IS_STORED, values.NULL),
        },
    },
    required=("email",),
    problem=problem,
    access=ACCESS,
    queries=QUERIES,
)
