"""Problems of files to be attached, in words that the sender of a mail understands."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class AttachmentProblem(models.TextChoices):
    """Reasons for which a file is not there (yet). Stable words for callers, and words for people."""

    URL = (
        "attachment_url",
        _("The URL of the file cannot be used, or leads where no file may be fetched from."),
    )
    UNREACHABLE = "attachment_unreachable", _("The server of the file cannot be reached.")
    AWAY = "attachment_away", _("The server of the file does not answer as it should.")
    SLOW = "attachment_slow", _("The server of the file is too slow.")
    TLS = "attachment_tls", _("The connection to the server of the file cannot be encrypted safely.")
    REFUSED = "attachment_refused", _("The server does not give the file without a login.")
    NOT_FOUND = "attachment_not_found", _("The file is not there.")
    STATUS = "attachment_status", _("The server does not give the file.")
    REDIRECTS = (
        "attachment_redirects",
        _("The URL of the file leads on and on, or where no file may be fetched from."),
    )
    TOO_LARGE = "attachment_too_large", _("The file is larger than a file may be.")
    TOO_LARGE_TOGETHER = "attachments_too_large", _("The files are larger together than they may be.")
    ENCODED = (
        "attachment_encoded",
        _("The server sends the file compressed, although that was not asked for."),
    )
    WEB_PAGE = "attachment_web_page", _("A web page came instead of the file: perhaps a page to log in.")
    EMPTY = "attachment_empty", _("The file is empty.")
