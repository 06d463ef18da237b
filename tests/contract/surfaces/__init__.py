"""The surfaces under test: a new one is a file here and a line in ``SURFACES``."""

import pytest

from tests.contract.surfaces.email_service import EMAIL_SERVICE
from tests.contract.surfaces.mailboxes import MAILBOXES
from tests.contract.surfaces.outbound_email import OUTBOUND_EMAIL
from tests.contract.surfaces.providers import PROVIDERS
from tests.contract.surfaces.tenant_config import REALMS, TENANT_CONFIG

SURFACES = (OUTBOUND_EMAIL, PROVIDERS, TENANT_CONFIG, REALMS, MAILBOXES, EMAIL_SERVICE)


def having(attribute: str) -> pytest.MarkDecorator:
    """The test is about the surfaces that have this."""
    some = [surface for surface in SURFACES if getattr(surface, attribute)]
    return pytest.mark.parametrize("surface", some, ids=str, indirect=True)


DOCUMENT = "openapi.json"
"""So ends the route of what tells of a surface, or of all: GET for whoever comes."""
