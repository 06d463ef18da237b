"""Tenants' mail configurations, by host name and by realm: two entrances to one thing, which is written, not read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mailconfig.models import AccountKind
from tests.canary import LOGIN
from tests.contract.corpus import values
from tests.contract.surface import Call, Surface

MANDATORY = "Host and From is mandatory to update Email Configuration."

CONFIG = "digitanium/v4/mail/config"
TEST = "digitanium/v4/mail/test"
CHECK = "digitanium/v4/mail/checks/<str:check_id>"

ACCESS = f"""
               anonymous inactive stranger outsider colleague reader keeper owner staff clerk superuser
POST {CONFIG}  401       401      404      404      403       403    200    403   403   200   200
POST {TEST}    401       401      404      404      403       403    200    403   403   200   200
GET  {CHECK}   401       401      404      404      404       404    200    404   404   404   404
"""
QUERIES = f"""
                sqlite postgres
POST   {CONFIG} 14     14
POST   {TEST}   29     34
GET    {CHECK}  5      5
"""

STATUSES = {
    400: {"BAD_REQUEST", "MAIL_SEND_FAILED"},
    401: {"Unauthorized"},
    403: {"FORBIDDEN"},
    404: {"NOT_FOUND", "USER_NOT_FOUND"},
    405: {"METHOD_NOT_ALLOWED"},
    406: {"NOT_ACCEPTABLE"},
    409: {"CONFLICT"},
    411: {"LENGTH_REQUIRED", "BAD_REQUEST"},
    413: {"PAYLOAD_TOO_LARGE"},
    415: {"UNSUPPORTED_MEDIA_TYPE"},
    429: {"TOO_MANY_REQUESTS"},
}
FIELDS = (
    "host",
    "from",
    "port",
    "starttls",
    "ssl",
    "user",
    "password",
    "replyTo",
    "replyToDisplayName",
    "fromDisplayName",
    "envelopeFrom",
)


def server(port: int) -> dict[str, Any]:
    """A STARTTLS server."""
    return {"host": "127.0.0.1", "port": str(port), "starttls": "true", "ssl": "false", "user": LOGIN}


def problem(status: int, body: Any) -> set[str] | None:
    """``{"message", "status", "subSystem": 8}``; a message about a field names it."""
    assert isinstance(body, dict)
    assert set(body) == {"message", "status", "subSystem"}, body
    assert body["subSystem"] == 8
    assert body["message"]
    assert body["status"] in STATUSES[status], body
    if status == 401:
        assert body["message"] == "HTTP 401 Unauthorized"
    if status != 400 or body["status"] != "BAD_REQUEST":
        return None
    if body["message"] == MANDATORY:
        return {"host", "from"}
    return {name for name in FIELDS if f"{name}: " in body["message"]}


TENANT_CONFIG = Surface(
    name="tenant_config",
    kind=AccountKind.TENANT_CONFIG,
    create=Call("POST", CONFIG, whole=True),
    update=Call("POST", CONFIG, {"fromDisplayName": "Renamed"}, whole=True),
    check=Call("POST", TEST, {"mailType": "TEST"}),
    further=(Call("GET", CHECK),),
    host="{tenant}.localhost",
    secure=True,
    template={
        "from": "noreply@example.com",
        "fromDisplayName": "Acme",
        "replyTo": "support@example.com",
        "replyToDisplayName": "Support",
        "envelopeFrom": "",
    },
    secret="password",
    server=server,
    moves={
        "host": ("localhost", "127.0.0.2"),
        "port": ("{port}",),
        "starttls": ("false",),
        "ssl": ("true", True),
        "user": ("someone@example.com",),
    },
    rename={"fromDisplayName": "Renamed"},
    fields={
        "host": (values.HOSTS, values.NO_TEXTS, values.NULL),
        "from": (values.ADDRESSES, values.NO_TEXTS, values.NULL, values.EMPTY),
        "fromDisplayName": (values.LINES, values.LONG_LINES, values.NO_TEXTS),
        "replyTo": (values.ADDRESSES, values.NO_TEXTS),
        "replyToDisplayName": (values.LINES, values.LONG_LINES, values.NO_TEXTS),
        "envelopeFrom": (values.ADDRESSES, values.NO_TEXTS),
        "port": (values.PORTS, ("587 ", " 587")),
        "starttls": (values.BOOLEANS, values.NUMBERS_AS_BOOLEANS),
        "ssl": (values.BOOLEANS, values.NUMBERS_AS_BOOLEANS),
        "user": (values.LINES, values.LONG_LINES, values.NO_TEXTS, ("********@****.com", "***")),
        "password": (values.SECRETS, values.SECRET_IS_STORED, values.NULL, values.EMPTY),
    },
    further_fields={
        Call("POST", TEST): {
            "mailType": (values.WORDS, values.NO_TEXTS, values.NULL, ("test", "TEST ", "MAIL"))
        }
    },
    required=("host", "from"),
    problem=problem,
    statuses={422: 400},
    access=ACCESS,
    queries=QUERIES,
)

REALM = "auth/realms/<path:tenant_id>/mail"


def _by_realm(table: str) -> str:
    return table.replace("digitanium/v4/mail/config", f"{REALM}/setup").replace("digitanium/v4/mail", REALM)


def _moved(call: Call) -> Call:
    return replace(call, route=_by_realm(call.route))


REALMS = replace(
    TENANT_CONFIG,
    label="realms",
    host="testserver",
    create=_moved(TENANT_CONFIG.create),
    update=_moved(TENANT_CONFIG.update),
    check=_moved(TENANT_CONFIG.check),
    further=tuple(map(_moved, TENANT_CONFIG.further)),
    further_fields={_moved(call): tables for call, tables in TENANT_CONFIG.further_fields.items()},
    access=_by_realm(ACCESS),
    queries=_by_realm(QUERIES),
)
