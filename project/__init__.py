"""The demo project: shows mailconfig at work, with the relaxations that a machine of one's own allows."""

from importlib.util import find_spec

needed = ("aiosmtpd", "celery", "drf_spectacular_sidecar", "knox", "waitress", "whitenoise")
missing = [name for name in needed if find_spec(name) is None]
if missing:
    msg = f"The demo project needs {', '.join(missing)}. Run `make demo`, or install it all: pip install -e '.[demo]'"
    raise ModuleNotFoundError(msg)

from .celery import app as celery_app  # noqa: E402 - what it needs is there

__all__ = ["celery_app"]
