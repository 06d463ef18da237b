"""The tests' project with its static files as a process of its own, which TESTS_THEME dresses.

``python -m tests.servers.themed`` says at which port it answers, which it does until it is killed. Which classes the admin's pages
are made of is decided when they are imported, so each theme needs a process.
"""

import sys
import threading

import django
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler


def main() -> None:
    """Answer."""
    django.setup()
    from tests.servers.web import WebServer

    with WebServer(StaticFilesHandler(WSGIHandler()), threads=4) as server:
        sys.stdout.write(f"answers at port {server.port}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
