"""Tenants' mail configurations, by host name and by realm: two entrances to one thing, which is written, not read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mailconfig.delivery import save_webhook
from mailconfig.models import AccountKind, WebhookEndpoint
from tests.canary import LOGIN
from tests.contract.corpus import values
from tests.contract.surface import Call, Surface

MANDATORY = "Host and From is mandatory to update Email Configuration."

CONFIG = "digitanium/v4/mail/config"
TEST = "digitanium/v4/mail/test"
CHECK = "digitanium/v4/mail/checks/<str:check_id>"
HOOKS = "digitanium/v4/mail/webhooks"
HOOK = "digitanium/v4/mail/webhooks/<str:webhook_id>"

ACCESS = f"""
               anonymous inactive stranger outsider colleague reader keeper owner staff clerk superuser
POST {CONFIG}  401       401      404      404      403       403    200    403   403   200   200
POST {TEST}    401       401      404      404      403       403    200    403   403   200   200
GET  {CHECK}   401       401      404      404      404       404    200    404   404   404   404
GET  {HOOKS}   401       401      404      404      403       200    200    403   403   200   200
POST {HOOKS}   401       401      404      404      403       403    201    403   403   201   201
GET  {HOOK}    401       401      404      404      403       200    200    403   403   200   200
PATCH {HOOK}   401       401      404      404      403       403    200    403   403   200   200
DELETE {HOOK}  401       401      404      404      403       403    204    403   403   204   204
POST {HOOK}/secret     401 401 404 404 403 403 200 403 403 200 200
POST {HOOK}/test       401 401 404 404 403 403 202 403 403 202 202
GET  {HOOK}/deliveries 401 401 404 404 403 200 200 403 403 200 200
"""
QUERIES = f"""
                sqlite postgres
POST   {CONFIG} 15     15
POST   {TEST}   29     34
GET    {CHECK}  5      5
GET    {HOOKS}  5      5
POST   {HOOKS}  9      9
GET    {HOOK}   5      5
PATCH  {HOOK}   9      9
DELETE {HOOK}   7      7
POST   {HOOK}/secret 9 10
POST   {HOOK}/test 9 10
GET    {HOOK}/deliveries 6 6
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
    "url",
    "events",
    "description",
    "enabled",
)
BELOW: dict[int, str] = {}
"""Webhooks by the row whose tenant they are of."""


def prepare(world: Any) -> None:
    """Make a webhook of each tenant."""
    BELOW.clear()
    for row in (world.row, world.foreign):
        endpoint = WebhookEndpoint(
            tenant=row.tenant, url="https://hooks.example.com/", kinds=["account.paused"]
        )
        save_webhook(endpoint=endpoint)
        BELOW[row.pk] = str(endpoint.uuid)


def places_below(row: Any) -> dict[str, str]:
    """The webhook of a row's tenant."""
    return {"webhook_id": BELOW.get(row.pk, "999999999")}


NEW_HOOK = {"url": "https://hooks.example.com/in", "events": ["message.settled", "account.paused"]}
NO_HOOKS = (
    "http://hooks.example.com/",
    "https://127.0.0.1/",
    "https://[::1]/",
    "https://2130706433/",
    "https://hooks.example.com:25/",
    "https://user:pass@hooks.example.com/",
    "https://hooks.example.com/#a",
    "https:/hooks.example.com",
    "javascript:alert(1)",
    "https://hooks.example.com/\r\nX: y",
    "https://hooks.example.com/" + "a" * 2048,
    "https://hooks.example.com/\ud800",
)
HOOK_FIELDS = {
    "url": (values.NO_TEXTS, values.NULL, values.EMPTY, values.WORDS, NO_HOOKS),
    "events": (
        values.NULL,
        values.EMPTY,
        values.BOOLEANS,
        ([], ["message.settled", "message.settled"], ["webhook.test"], [1], [None], {}, "message.settled"),
    ),
    "description": (values.LINES, values.LONG_LINES, values.NO_TEXTS, values.NULL),
    "enabled": (
        values.BOOLEANS,
        values.NUMBERS_AS_BOOLEANS,
        values.WORDS_AS_BOOLEANS,
        values.NULL,
        values.EMPTY,
    ),
}
"""What webhooks refuse, by the names on the wire."""


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
    further=(
        Call("GET", CHECK),
        Call("GET", HOOKS),
        Call("POST", HOOKS, NEW_HOOK),
        Call("GET", HOOK),
        Call("PATCH", HOOK, {"description": "Renamed"}),
        Call("POST", f"{HOOK}/secret"),
        Call("POST", f"{HOOK}/test"),
        Call("GET", f"{HOOK}/deliveries"),
        Call("DELETE", HOOK),
    ),
    prepare=prepare,
    places_below=places_below,
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
        },
        Call("POST", HOOKS): HOOK_FIELDS,
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
