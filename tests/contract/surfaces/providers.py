"""SMTP providers, ``/api/v2/mail/providers``."""

from __future__ import annotations

from typing import Any

from mailconfig.models import AccountKind
from tests.canary import LOGIN
from tests.contract.corpus import values
from tests.contract.surface import Call, Surface

LIST = "api/v2/mail/providers"
ONE = "api/v2/mail/providers/<str:provider_id>"
STATUS = "api/v2/mail/providers/<str:provider_id>/status"
CHECK = "api/v2/mail/providers/checks/<str:check_id>"

ACCESS = f"""
                anonymous inactive stranger outsider colleague reader keeper owner staff clerk superuser
GET    {LIST}   401       401      403      200      403       200    200    403   403   200   200
POST   {LIST}   401       401      403      201      403       403    201    403   403   201   201
GET    {ONE}    401       401      403      200      403       200    200    403   403   200   200
PATCH  {ONE}    401       401      403      200      403       403    200    403   403   200   200
DELETE {ONE}    401       401      403      204      403       403    204    403   403   204   204
GET    {STATUS} 401       401      403      204      403       204    204    403   403   204   204
GET    {CHECK}  401       401      404      404      404       404    200    404   404   404   404
"""

QUERIES = f"""
                sqlite postgres
GET    {LIST}   5      5
POST   {LIST}    7      7
GET    {ONE}    4      4
PATCH  {ONE}     10      10
DELETE {ONE}    13     13
GET    {STATUS} 18     21
GET    {CHECK}  4      4
"""

NAME = {
    "caption": "Back office",
    "driver": "smtp",
    "sendFrom": "office@example.com",
    "sendFromName": "Office",
    "isEnabled": True,
}


def server(port: int) -> dict[str, Any]:
    """A STARTTLS server."""
    return {"host": "127.0.0.1", "port": port, "encryption": "tls", "username": LOGIN}


def problem(status: int, body: Any) -> set[str] | None:
    """``{"message", "errors": {field: [text]}}``, of a failed check code and stage too."""
    assert isinstance(body, dict)
    assert set(body) <= {"message", "errors", "code", "stage"}, body
    assert isinstance(body["message"], str)
    assert body["message"]
    assert ("code" in body) == ("stage" in body) == (status == 422)
    assert ("errors" in body) == (status in {400, 422})
    errors = body.get("errors", {})
    for texts in errors.values():
        assert texts
        assert all(isinstance(text, str) and text for text in texts)
    return set(errors)


PROVIDERS = Surface(
    name="providers",
    kind=AccountKind.SMTP_PROVIDER,
    create=Call("POST", LIST, whole=True),
    update=Call("PATCH", ONE, {"caption": "Renamed"}),
    check=Call("GET", STATUS),
    read=Call("GET", ONE),
    listing=Call("GET", LIST),
    delete=Call("DELETE", ONE),
    further=(Call("GET", CHECK),),
    row_parameter="provider_id",
    shares_rows=True,
    template=NAME,
    secret="password",
    server=server,
    moves={
        "host": ("localhost", "127.0.0.2"),
        "port": ("{port}",),
        "encryption": ("ssl",),
        "username": ("someone@example.com",),
    },
    rename={"caption": "Renamed", "sendFromName": "Renamed"},
    fields={
        "caption": (values.LINES, values.LONG_LINES, values.NO_TEXTS, values.NULL),
        "driver": (values.NO_TEXTS, values.NULL, values.WORDS, ("sendmail", "log", "smtp\n", "SMTP", "ses")),
        "host": (values.HOSTS, values.NO_TEXTS, values.NULL),
        "port": (values.PORTS, values.PORTS_AS_TEXT, values.NULL, values.EMPTY),
        "username": (values.LINES, values.LONG_LINES, values.NO_TEXTS, values.NULL, values.EMPTY),
        "password": (values.SECRETS, values.SECRET_IS_STORED, values.NULL, values.EMPTY),
        "sendFrom": (values.ADDRESSES, values.NO_TEXTS, values.NULL, values.EMPTY),
        "sendFromName": (values.LINES, values.LONG_LINES, values.NO_TEXTS, values.NULL, values.EMPTY),
        "encryption": (
            values.NO_TEXTS,
            values.NULL,
            values.WORDS,
            ("none", "TLS", "SSL", "starttls", "0", "1", "2", "tls "),
        ),
        "isEnabled": (values.BOOLEANS, values.WORDS_AS_BOOLEANS, values.NULL, values.EMPTY, (-1, "0", "1")),
    },
    required=(
        "driver",
        "host",
        "port",
        "username",
        "password",
        "sendFrom",
        "sendFromName",
        "encryption",
        "isEnabled",
    ),
    bad_queries=(
        "limit=-1",
        "limit=0",
        "limit=101",
        "limit=1000000000",
        "limit=abc",
        "limit=",
        "limit=1.0",
        "limit=%EF%BC%91",
        "limit=1&limit=2",
        "offset=-1",
        "offset=abc",
        "offset=99999999999999999999999",
        "isEnabled=maybe",
        "isEnabled=",
        "caption=%00",
        "caption=a&caption=b",
        "sort=" + "caption," * 1000,
        "caption=" + "a" * 60_000,
        "limit=" + "1" * 5000,
        "sort=password",
        "sort=secret",
        "sort=--caption",
        "sort=caption,nonsense",
        "sort=owner__password",
        "password=x",
        "secret__startswith=a",
        "host=x",
    ),
    problem=problem,
    access=ACCESS,
    queries=QUERIES,
)
