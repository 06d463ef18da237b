"""Opting out, from the mail to the list."""
