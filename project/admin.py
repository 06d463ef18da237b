"""Leave out of the demo's admin what the demo does without."""

from __future__ import annotations

import knox.admin  # noqa: F401 - registers what is taken away below, whichever app is loaded first
from django.contrib import admin
from knox.models import AuthToken

# It would show whole digests, let expiries be edited, and hand a new token on in a cookie. There is a page of our own.
admin.site.unregister(AuthToken)
