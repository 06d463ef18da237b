"""Notices: mail that tells people of an account of theirs that paused by itself."""
