"""Addresses where a host name is wanted, on the surfaces that store without connecting."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from mailconfig.models import SMTPProvider
from tests.integration.api.calls import BODY, URL, make_provider, refused

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "[::1]", "::ffff:127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_a_literal_that_the_deployment_forbids_is_not_stored(
    api: APIClient, settings: Any, host: str
) -> None:
    settings.MAILCONFIG = {}
    provider = make_provider(host="smtp.example.com")

    made = api.post(URL, BODY | {"host": host}, format="json")
    changed = api.patch(f"{URL}/{provider.pk}", {"host": host, "password": "not-real"}, format="json")

    for answer in (made, changed):
        assert list(refused(answer, 400)["errors"]) == ["host"]
    assert SMTPProvider.objects.get().host == "smtp.example.com"
    assert api.post(URL, BODY | {"host": "8.8.8.8"}, format="json").status_code == 201
