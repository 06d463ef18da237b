"""Secrets at rest: the key ring, the encrypted field, its form field and key rotation."""
