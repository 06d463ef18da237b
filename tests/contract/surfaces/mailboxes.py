"""Mailboxes, ``/api/v2/mailboxes``, in JSON:API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from mailconfig.models import AccountKind, MailAlias, MessageState
from tests.canary import LOGIN
from tests.contract.corpus import values
from tests.contract.surface import Call, Surface
from tests.factories import make_message

LIST = "api/v2/mailboxes"
ONE = f"{LIST}/<str:mailbox_id>"
USER, CREATOR, UPDATER = (f"{ONE}/{name}" for name in ("user", "creator", "updater"))
SEND, SYNC = (f"{ONE}/actions/{name}" for name in ("testSend", "testSync"))
CHECK = f"{LIST}/checks/<str:check_id>"
ALIASES, ALIAS = "api/v2/mailAliases", "api/v2/mailAliases/<str:alias_id>"
ALIASES_OF_ONE, MAILINGS_OF_ONE = f"{ONE}/mailAliases", f"{ONE}/mailings"
MAILINGS, MAILING = "api/v2/mailings", "api/v2/mailings/<str:mailing_id>"
RECIPIENTS = f"{MAILING}/recipients"

ACCESS = f"""
                 anonymous inactive stranger outsider colleague reader keeper owner staff clerk superuser
GET    {LIST}    401       401      200      200      200       200    200    200   200   200   200
POST   {LIST}    401       401      201      201      201       201    201    201   201   201   201
GET    {ONE}     401       401      404      404      404       200    200    200   404   200   200
PATCH  {ONE}     401       401      404      404      404       403    200    200   404   200   200
DELETE {ONE}     401       401      404      404      404       403    204    204   404   204   204
GET    {USER}    401       401      404      404      404       200    200    200   404   200   200
GET    {CREATOR} 401       401      404      404      404       200    200    200   404   200   200
GET    {UPDATER} 401       401      404      404      404       200    200    200   404   200   200
POST   {SEND}    401       401      404      404      404       403    200    200   404   200   200
POST   {SYNC}    401       401      404      404      404       403    422    422   404   422   422
GET    {CHECK}   401       401      404      404      404       404    200    404   404   404   404
GET    {ALIASES} 401       401      200      200      200       200    200    200   200   200   200
GET    {ALIAS}   401       401      404      404      404       200    200    200   404   200   200
GET    {ALIASES_OF_ONE} 401 401     404      404      404       200    200    200   404   200   200
GET    {MAILINGS} 401      401      200      200      200       200    200    200   200   200   200
POST   {MAILINGS} 401      401      422      422      422       403    201    201   422   201   201
GET    {MAILING} 401       401      404      404      404       200    200    200   404   200   200
GET    {RECIPIENTS} 401    401      404      404      404       200    200    200   404   200   200
GET    {MAILINGS_OF_ONE} 401 401    404      404      404       200    200    200   404   200   200
"""

QUERIES = f"""
                 sqlite postgres
GET    {LIST}    7      7
POST   {LIST}    13     13
GET    {ONE}     7      7
PATCH  {ONE}     31     34
DELETE {ONE}     16     16
GET    {USER}    7      7
GET    {CREATOR} 6      6
GET    {UPDATER} 6      6
POST   {SEND}    35     40
POST   {SYNC}    6      6
GET    {CHECK}   4      4
GET    {ALIASES} 4      4
GET    {ALIAS}   4      4
GET    {ALIASES_OF_ONE} 7 7
GET    {MAILINGS} 7 8
POST   {MAILINGS} 18 17
GET    {MAILING} 7 8
GET    {RECIPIENTS} 8 8
GET    {MAILINGS_OF_ONE} 10 11
"""

IDS = {
    400: {"malformedRequest"},
    401: {"unauthorizedRequest"},
    403: {"unauthorizedRequest"},
    404: {"resourceNotFound"},
    405: {"methodNotAllowed"},
    406: {"notAcceptable"},
    409: {"conflict"},
    411: {"malformedRequest"},
    413: {"requestTooLarge"},
    415: {"unsupportedMediaType"},
    422: {"validationError", "resourceInUse", "editConflict"},
    429: {"rateLimitExceeded"},
}
ATTRIBUTES = "/data/attributes/"


def server(port: int) -> dict[str, Any]:
    """A STARTTLS server."""
    return {"smtpHost": "127.0.0.1", "smtpPort": port, "smtpSsl": True, "username": LOGIN}


def document(call: Call, body: Any, places: Mapping[str, str]) -> Any:
    """Attributes in their document; what is one, or no object at all, is sent as it is."""
    if not isinstance(body, dict) or "data" in body:
        return body
    if call.route == MAILINGS:
        mailbox = {"data": {"type": "mailbox", "id": places["mailbox_id"]}}
        return {"data": {"type": "mailing", "attributes": body, "relationships": {"mailbox": mailbox}}}
    data = {"type": "mailbox", "attributes": body}
    return {"data": {**data, "id": places["mailbox_id"]} if call.route == ONE else data}


def problem(status: int, body: Any) -> set[str] | None:
    """``{"errors": [{"id", "title", "detail", "source"}]}``; of a failed check its code too."""
    assert isinstance(body, dict)
    assert set(body) == {"errors"}, body
    assert body["errors"]
    named = set()
    for error in body["errors"]:
        assert set(error) <= {"id", "title", "detail", "source", "code", "meta"}, error
        assert error["id"] in IDS[status], error
        assert error["title"]
        assert error["detail"]
        assert ("code" in error) == ("meta" in error)
        source = error.get("source", {})
        assert len(source) <= 1
        pointer = source.get("pointer", "").removeprefix(ATTRIBUTES).removesuffix("/0")
        named.add(source.get("parameter") or pointer)
    return named if status == 422 else None


BELOW: dict[int, dict[str, str]] = {}
"""What belongs to each row of the world that was made last."""


def prepare(world: Any) -> None:
    """Make what belongs to each row."""
    BELOW.clear()
    for row in (world.row, world.foreign):
        sent = make_message(row, state=MessageState.SENT, settled_at=timezone.now())
        alias = MailAlias.objects.create(mailbox=row, email=f"alias{row.pk}@example.com", can_send=True)
        BELOW[row.pk] = {"alias_id": str(alias.pk), "mailing_id": str(sent.pk)}


def places_below(row: Any) -> dict[str, str]:
    """What belongs to a row; nothing belongs to one that was made later."""
    return BELOW.get(row.pk) or dict.fromkeys(next(iter(BELOW.values()), {}), UNKNOWN)


UNKNOWN = "999999998"
TEXTS = (values.NO_TEXTS, ("a\x07", "a\x1b[31m", "a\x7f", "a\x9b", "\x00", "\ud800"))
NAMES = (values.LINES, values.LONG_LINES, values.NO_TEXTS)
WORDS = (tuple(word for word in values.WORDS), values.NO_TEXTS)
FLAGS = (values.BOOLEANS, values.NUMBERS_AS_BOOLEANS, values.WORDS_AS_BOOLEANS, values.EMPTY)
NUMBERS: tuple[object, ...] = (
    -1,
    2**31,
    2**63,
    10**30,
    1.0,
    1.5,
    True,
    False,
    "",
    "1",
    " 1",
    "abc",
    [],
    [1],
    {},
)
PERIODS: tuple[object, ...] = (*NUMBERS, 0, 366 * 86400 + 1)
URLS: tuple[object, ...] = (
    "http://mail.test/EWS",
    "ftp://mail.test",
    "mail.test",
    "//mail.test/",
    "https://",
    "https:///x",
    "https:/\\mail.test",
    "https:\\\\mail.test",
    "https://a@mail.test/",
    "https://a:b@mail.test/",
    "https://mail.test/#x",
    "https://mail.test:0/",
    "https://mail.test:65536/",
    "https://mail.test:x/",
    "https://mail.test\t/",
    "https://mail.test/\n",
    "https://mail.test/ x",
    "https://2130706433/",
    "https://10.0.0.1/EWS",
    "https://169.254.169.254:443/EWS",
    "https://[fd00::1]/EWS",
    "https://127.1/",
    "https://*/",
    "https://[fe80::1%25eth0]/",
    "https://ä.test/",
    "javascript:alert(1)",
    "https://mail.test/" + "a" * 240,
)

MAILBOXES = Surface(
    name="mailboxes",
    kind=AccountKind.MAILBOX,
    media_type="application/vnd.api+json",
    longest_body=2**22,
    document=document,
    refuses_unknown=True,
    create=Call("POST", LIST, whole=True),
    update=Call("PATCH", ONE, {"optOutMessage": "Renamed", "validateSend": True}),
    check=Call("POST", SEND),
    read=Call("GET", ONE),
    listing=Call("GET", LIST),
    delete=Call("DELETE", ONE),
    further=(
        *(Call("GET", route) for route in (USER, CREATOR, UPDATER, CHECK, ALIASES, ALIAS, ALIASES_OF_ONE)),
        *(Call("GET", route) for route in (MAILINGS, MAILING, RECIPIENTS, MAILINGS_OF_ONE)),
        Call("POST", MAILINGS, {"subject": "Hello", "bodyText": "Hello", "recipients": ["a@example.net"]}),
        Call("POST", SYNC),
    ),
    row_parameter="mailbox_id",
    prepare=prepare,
    places_below=places_below,
    template={"email": "me@example.com", "sendThreshold": 2, "sendPeriod": 60},
    secret="password",
    server=server,
    moves={
        "smtpHost": ("localhost", "127.0.0.2"),
        "smtpPort": ("{port}",),
        "smtpSsl": (False,),
        "username": ("someone@example.com",),
    },
    rename={"optOutMessage": "Renamed", "emailSignature": "<p>Renamed</p>", "sendMaxRetries": 3},
    fields={
        "email": (values.ADDRESSES, values.NO_TEXTS),
        "emailProvider": (*WORDS, ("Gmail", "gmail ", "outlook", "other")),
        "emailSignature": (*TEXTS, ("a" * 65536, "ä" * 65536)),
        "ewsEndpoint": (URLS, values.NO_TEXTS),
        "ewsSslVerifyMode": (NUMBERS, (3, 5, 8)),
        "exchangeVersion": (*WORDS, ("Exchange2016", "exchange2013")),
        "imapHost": (values.HOSTS, values.NO_TEXTS),
        "imapPort": (values.PORTS, values.PORTS_AS_TEXT, values.EMPTY),
        "imapSsl": FLAGS,
        "maxEmailsPerDay": (NUMBERS,),
        "maxMailingsPerDay": (NUMBERS,),
        "maxMailingsPerWeek": (NUMBERS,),
        "optOutMessage": (*TEXTS, ("a" * 513, "😀" * 513)),
        "optOutSignature": (*TEXTS, ("a" * 513,)),
        "password": (values.SECRETS, values.SECRET_IS_STORED),
        "prospectEmailExclusions": (*TEXTS, ("a" * 65536,)),
        "sendDisabled": FLAGS,
        "sendMaxRetries": (NUMBERS, (32768,)),
        "sendMethod": (*WORDS, ("SMTP", "smtp\n", "gmail_api", "none", "outbox")),
        "sendPeriod": (PERIODS,),
        "sendRequiresSync": FLAGS,
        "sendThreshold": (NUMBERS,),
        "sendgridApiKey": (values.SECRETS, values.SECRET_IS_STORED),
        "smtpHost": (values.HOSTS, values.NO_TEXTS),
        "smtpPassword": (values.SECRETS, values.SECRET_IS_STORED),
        "smtpPort": (values.PORTS, values.PORTS_AS_TEXT, values.EMPTY),
        "smtpSsl": FLAGS,
        "smtpUsername": NAMES,
        "syncActiveFrequency": (PERIODS,),
        "syncDisabled": FLAGS,
        "syncMethod": (*WORDS, ("pop3", "IMAP")),
        "syncOutreachFolder": FLAGS,
        "syncPassiveFrequency": (PERIODS,),
        "username": NAMES,
        "validateSend": FLAGS,
        "validateSync": FLAGS,
    },
    further_fields={
        Call("POST", MAILINGS): {
            "subject": (values.LINES, values.NO_TEXTS, ("a" * 999, "ä" * 999)),
            "bodyText": TEXTS,
            "bodyHtml": TEXTS,
            "recipients": (
                (None, "", "a@example.net", {}, 1, [], [None], [1], [[]], ["a@"], ["a@b.test\r\nx: y"]),
            ),
            "mailboxAddress": (values.ADDRESSES, values.NO_TEXTS, ("you@example.net",)),
            "scheduledAt": (
                ("", "x", 1, True, [], {}, "2030-01-01", "2030-02-30T00:00:00Z", "9999-01-01T00:00:00Z"),
            ),
        }
    },
    required=(),
    bad_queries=(
        "sort=password",
        "sort=--email",
        "sort=email,nonsense",
        "sort=owner__password",
        "sort=" + "email," * 1000,
        "fields[mailbox]=password",
        "fields[mailbox]=id",
        "fields[user]=password",
        "fields[mailboxes]=email",
        "fields=email",
        "include=mailings",
        "include=user.mailboxes",
        "include=user,nobody",
        "filter[password]=x",
        "filter[secret]=x",
        "filter[x]=1",
        "filter[user]=1",
        "filter[user][id][]=1",
        "filter[user][email]=a@b.test",
        "filter[creator][id]=1",
        "filter[id]=",
        "filter[id]=abc",
        "filter[id]=-1",
        "filter[id]=1,",
        "filter[id]=1.5",
        "filter[id]=%EF%BC%91",
        "filter[id]=1..",
        "filter[id]=..1",
        "filter[id]=1..2..3",
        "filter[id]=inf..1",
        "filter[id]=1..neginf",
        "filter[id]=" + "1," * 500 + "1",
        "filter[id]=" + "1" * 30,
        "filter[userId]=abc",
        "filter[user][id]=1..abc",
        "filter[createdAt]=yesterday",
        "filter[createdAt]=2026-13-01",
        "filter[createdAt]=2026-01-01T25:00:00Z",
        "filter[createdAt]=0001-01-01T00:00:00%2B23:59",
        "filter[createdAt]=9999-12-31..9999-12-31T23:59:59-23:59",
        "filter[createdAt]=2026-01-01..",
        "filter[updatedAt]=1",
        "filter[email]=",
        "filter[email]=%00",
        "filter[email]=" + "a" * 300,
        "filter[email]=a&filter[email]=b",
        "page[size]=0",
        "page[size]=101",
        "page[size]=1000000000",
        "page[size]=abc",
        "page[size]=1&page[size]=2",
        "page[limit]=0",
        "page[limit]=1001",
        "page[offset]=10001",
        "page[offset]=-1",
        "page[limit]=1&page[size]=1",
        "page[offset]=1&page[after]=x",
        "page[after]=x",
        "page[after]=",
        "page[before]=eyJhIjoxfQ",
        "page[after]=x&page[before]=y",
        "page[after]=%00",
        "page[number]=1",
        "page=1",
        "count=maybe",
        "count=",
        "count=1",
        "provideAuthorizationMeta=yes",
    ),
    problem=problem,
    statuses={400: 422, 409: 422},
    access=ACCESS,
    queries=QUERIES,
)
