"""Transports that only tests use: they show what a new one takes."""
