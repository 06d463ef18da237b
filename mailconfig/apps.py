"""The Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MailconfigConfig(AppConfig):
    """Registers the system checks and, where Celery is installed, the doorbell."""

    name = "mailconfig"
    verbose_name = _("Mail accounts")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect what listens."""
        from importlib.util import find_spec

        from . import checks  # noqa: F401 - registers

        if find_spec("celery"):
            from . import tasks  # noqa: F401 - connects the doorbell
