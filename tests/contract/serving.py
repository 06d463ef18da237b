"""The tests' host project as a process: prints its port, and serves until its parent has gone."""

import threading

from tests.servers.web import WebServer

if __name__ == "__main__":
    import django

    django.setup()
    with WebServer() as server:
        print(server.port, flush=True)  # noqa: T201 - the parent reads it
        threading.Event().wait()
