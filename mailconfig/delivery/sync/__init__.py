"""Syncing of mailboxes: what came in is read from their servers and stored, and nothing is changed there."""
