"""Measures mailconfig beside django-post-office and smtplib: ``make bench``."""
