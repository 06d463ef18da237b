"""SMTP: opening a session, its commands and replies."""
