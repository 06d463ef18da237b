"""Surface: the back office's SMTP providers, ``/api/v2/mail/providers``."""
