"""Hints for connections that policy forbids or that cannot be verified, whatever is spoken over them."""

from __future__ import annotations

ALLOW_HOST = (
    "If this server is meant: ALLOWED_NETWORKS or ALLOWED_HOSTS in the deployment's settings allow it."
)
ALLOW_PORT = "If this port is meant: ALLOWED_PORTS in the deployment's settings allows it."
TRUST_AUTHORITY = (
    "Whoever runs the server has to give it a certificate of a public authority, and those in between."
    " If the authority is your own, the deployment has to trust it: CA_FILE in its settings."
)
