"""A Celery process of the demo: ``python -m project.child worker …``. It ends when its standard input does.

The demo holds the other end. However the demo ends, the system closes it, so that no process is left over.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

GOODBYE_SECONDS = 3.0


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GOODBYE_SECONDS)
    os._exit(1)


def main() -> None:
    """Run ``celery`` with the arguments of the command line."""
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    import django

    django.setup()
    from project.celery import app

    app.start(argv=sys.argv[1:])


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    main()
