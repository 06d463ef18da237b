"""Jobs for the standard library's client; nothing here knows Django."""

from __future__ import annotations

import imaplib
import ssl
import time


def fetch(
    port: int, ca_file: str, username: str, password: str, most: int | None = None
) -> tuple[float, float]:
    """Messages a second, each fetched by a command of its own and thrown away, and processor seconds of each."""
    begun, used = time.perf_counter(), time.process_time()
    context = ssl.create_default_context(cafile=ca_file)
    with imaplib.IMAP4_SSL("localhost", port, ssl_context=context) as client:
        client.login(username, password)
        client.select("INBOX", readonly=True)
        numbers = client.uid("search", "ALL")[1][0].split()[:most]
        for number in numbers:
            client.uid("fetch", number, "(FLAGS INTERNALDATE BODY.PEEK[])")
    return len(numbers) / (time.perf_counter() - begun), (time.process_time() - used) / len(numbers)
