"""Outbound e-mails, ``/rest/v10/OutboundEmail``. Creating and changing connect."""

from __future__ import annotations

import re
from typing import Any

from mailconfig.models import AccountKind, Scope
from tests.canary import LOGIN
from tests.contract.corpus import values
from tests.contract.surface import Call, Surface
from tests.contract.world import UNKNOWN_UUID, World

LIST = "rest/v10/OutboundEmail"
ONE = "rest/v10/OutboundEmail/<str:record_id>"
OVERRIDE = "rest/v10/OutboundEmail/testUserOverride"

ACCESS = f"""
                  anonymous inactive stranger outsider colleague reader keeper owner staff clerk superuser
GET    {LIST}     401       401      200      200      200       200    200    200   200   200   200
POST   {LIST}     401       401      200      200      200       200    200    200   200   200   200
GET    {ONE}      401       401      404      404      404       200    200    200   404   200   200
PUT    {ONE}      401       401      404      404      404       403    200    200   404   200   200
DELETE {ONE}      401       401      404      404      404       403    200    200   404   200   200
POST   {OVERRIDE} 401       401      200      200      200       200    200    200   200   200   200
"""

QUERIES = f"""
                  sqlite postgres
GET    {LIST}     4      4
POST   {LIST}     20     23
GET    {ONE}      4      4
PUT    {ONE}      23     26
DELETE {ONE}      13     13
POST   {OVERRIDE} 21     23
"""

CODES = {
    400: {"invalid_request"},
    401: {"need_login"},
    403: {"not_authorized"},
    404: {"not_found"},
    405: {"invalid_request"},
    406: {"invalid_request"},
    411: {"invalid_request"},
    413: {"invalid_request"},
    415: {"invalid_request"},
    422: {"missing_parameter", "invalid_parameter", "smtp_server_error", "in_use", "edit_conflict"},
    429: {"too_many_requests"},
}
TEST_MAIL = {
    "to_address": "to@example.net",
    "mail_smtpuser": LOGIN,
    "mail_smtppass": "not-a-real-password",
    "from_address": "me@example.com",
    "name": "Me",
}


def server(port: int) -> dict[str, Any]:
    """A STARTTLS server."""
    return {
        "mail_smtpserver": "127.0.0.1",
        "mail_smtpport": port,
        "mail_smtpssl": "2",
        "mail_smtpauth_req": True,
        "mail_smtpuser": LOGIN,
    }


def problem(status: int, body: Any) -> set[str] | None:
    """``{"error", "error_message"}``; the message begins with the guilty fields."""
    assert isinstance(body, dict)
    assert set(body) == {"error", "error_message"}, body
    assert body["error"] in CODES[status], body
    assert body["error_message"]
    if body["error"] not in {"missing_parameter", "invalid_parameter"}:
        return None
    return set(re.findall(r"(\w+): ", body["error_message"]))


def add_system_account(world: World) -> None:
    """Whose server an override uses."""
    world.make_row(None, "anonymous", name="System", scope=Scope.SYSTEM)


OUTBOUND_EMAIL = Surface(
    name="outbound_email",
    kind=AccountKind.OUTBOUND_EMAIL,
    create=Call("POST", LIST, whole=True),
    update=Call("PUT", ONE, {"name": "Renamed"}),
    check=Call("PUT", ONE, {"name": "Renamed"}),
    read=Call("GET", ONE),
    listing=Call("GET", LIST),
    delete=Call("DELETE", ONE),
    further=(Call("POST", OVERRIDE, TEST_MAIL),),
    row_parameter="record_id",
    key=lambda row: str(row.uuid),
    unknown=UNKNOWN_UUID,
    prepare=add_system_account,
    is_asynchronous=False,
    template={"name": "Mine", "mail_smtptype": "other"},
    secret="mail_smtppass",
    server=server,
    moves={
        "mail_smtpserver": ("localhost", "127.0.0.2"),
        "mail_smtpport": ("{port}",),
        "mail_smtpssl": ("1", "0"),
        "mail_smtpauth_req": (False,),
        "mail_smtpuser": ("someone@example.com",),
    },
    rename={"name": "Renamed", "mail_smtptype": "google"},
    fields={
        "name": (values.LINES, values.LONG_LINES, values.NO_TEXTS, values.NULL, values.EMPTY, (" ",)),
        "type": (values.WORDS, values.NO_TEXTS, values.NULL),
        "mail_sendtype": (values.WORDS, values.NO_TEXTS, values.NULL, ("sendmail", "smtp\n", "ｓｍｔｐ")),
        "mail_smtptype": (values.WORDS, values.NO_TEXTS, values.NULL, ("gmail", "Google", "google ")),
        "mail_smtpserver": (values.HOSTS, values.NO_TEXTS, values.NULL),
        "mail_smtpport": (values.PORTS, values.NULL, values.EMPTY),
        "mail_smtpuser": (values.LINES, values.LONG_LINES, values.NO_TEXTS, values.NULL, values.EMPTY),
        "mail_smtppass": (values.SECRETS, values.NULL, values.EMPTY),
        "mail_smtpauth_req": (
            values.BOOLEANS,
            values.NUMBERS_AS_BOOLEANS,
            values.WORDS_AS_BOOLEANS,
            values.NULL,
            values.EMPTY,
        ),
        "mail_smtpssl": (
            values.WORDS,
            values.NULL,
            (
                "3",
                "-1",
                "01",
                "1 ",
                "1\n",
                "tls",
                "ssl",
                "none",
                "starttls",
                3,
                -1,
                1.0,
                True,
                False,
                [],
                {},
                ["1"],
            ),
        ),
    },
    further_fields={
        Call("POST", OVERRIDE): {
            "to_address": (values.ADDRESSES, values.NO_TEXTS, values.NULL, values.EMPTY),
            "mail_smtpuser": (values.LINES, values.LONG_LINES, values.NO_TEXTS, values.NULL, values.EMPTY),
            "mail_smtppass": (values.SECRETS, values.SECRET_IS_STORED, values.NULL, values.EMPTY),
            "from_address": (values.ADDRESSES, values.NO_TEXTS),
            "name": (values.LINES, values.LONG_LINES, values.NO_TEXTS),
        }
    },
    required=("name", "mail_smtpserver", "mail_smtpuser", "mail_smtppass"),
    bad_queries=(
        "order_by=" + "name:ASC," * 1000,
        "fields=" + "name," * 1000,
        "offset=" + "1" * 5000,
        "max_num=0",
        "max_num=-1",
        "max_num=1001",
        "max_num=abc",
        "max_num=",
        "max_num=1&max_num=2",
        "offset=-1",
        "offset=99999999999999999999999",
        "order_by=mail_smtppass:DESC",
        "order_by=secret",
        "order_by=owner__password:ASC",
        "order_by=name:SIDEWAYS",
        "order_by=name:DESC:ASC",
        "order_by=%00",
        "fields=secret",
        "fields=id,owner__password",
        "filter=x",
        "filter[]=x",
        "filter[0]=x",
        "filter[][name]=x",
        "filter[x][name]=x",
        "filter[0][mail_smtppass]=x",
        "filter[0][secret]=x",
        "filter[0][secret][$starts]=g",
        "filter[0][owner__password][$starts]=p",
        "filter[0][name][$regex]=x",
        "filter[0][name][$or]=x",
        "filter[$or][0][name]=x",
        "filter[0][name]=%00",
        "filter[0][name][$starts]=%00",
        "filter[0][name][$in]=a,%00",
        "filter[0][name]=a&filter[0][name]=b",
        "filter[0][name][$equals]=" + "a" * 5000,
        "filter[0][id]=nonsense",
        "filter[0][id][$starts]=6",
        "filter[0][user_id]=abc",
        "filter[0][user_id]=99999999999999999999999",
        "filter[0][mail_smtpport]=abc",
        "filter[0][mail_smtpport]=%EF%BC%91",
        "filter[0][mail_smtpssl]=9",
        "filter[0][type]=nonsense",
        "&".join(f"filter[{n}][name]=x" for n in range(50)),
    ),
    problem=problem,
    statuses={400: 422, 409: 422},
    access=ACCESS,
    queries=QUERIES,
)
