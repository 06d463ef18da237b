"""Keys that are not real, and a look at the raw column."""

import base64
from typing import Any

from django.db import connection

from tests.secretapp.models import Box

OLD = base64.urlsafe_b64encode(bytes(range(100, 132))).decode()
NEW = base64.urlsafe_b64encode(bytes(range(140, 172))).decode()
OTHER = base64.urlsafe_b64encode(bytes(range(180, 212))).decode()

PASSWORD = "not-a-real-password"


def raw_token(box: Box) -> Any:
    """What the column really holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM secretapp_box WHERE id = %s", [box.pk])
        return cursor.fetchone()[0]


def write_raw(box: Box, token: str | None) -> None:
    """Change the column behind the field's back."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE secretapp_box SET secret = %s WHERE id = %s", [token, box.pk])
