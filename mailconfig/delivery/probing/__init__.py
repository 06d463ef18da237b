"""Checks of a connection and test mails: carried out, recorded, throttled, put into words."""
