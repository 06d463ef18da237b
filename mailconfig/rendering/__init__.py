"""Rendering: what Django's EmailMessage holds becomes the bytes that every attempt sends."""
