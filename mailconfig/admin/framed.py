"""HTML of somebody unknown, for a frame in which it can do nothing."""

from __future__ import annotations

from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

FRAME_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'self'; sandbox"
)
"""What HTML of somebody unknown may do: have colours, and pictures that are in it."""


def framed(html: str) -> HttpResponse:
    """Answer with HTML that was cleaned of what acts; the policy is to hold where cleaning did not."""
    page = render_to_string("admin/mailconfig/synced_html.html", {"html": SafeString(html)})
    headers = {
        "Content-Security-Policy": FRAME_POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-DNS-Prefetch-Control": "off",
    }
    return HttpResponse(page, headers=headers)
