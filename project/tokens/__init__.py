"""API tokens of the demo: made, listed, revoked, and read from requests. Hashes are stored, never a token."""
