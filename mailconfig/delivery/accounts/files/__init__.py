"""Accounts as files: written for people and for other deployments, without secrets, and read again."""
