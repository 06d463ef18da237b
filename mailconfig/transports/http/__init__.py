"""HTTP/1.1 over connections that the gate opened: one request, one answer, nothing followed, nothing decoded."""

from .client import open_request, send_request
from .messages import HttpAnswer, HttpHeaders, HttpRequest, OpenAnswer

__all__ = ["HttpAnswer", "HttpHeaders", "HttpRequest", "OpenAnswer", "open_request", "send_request"]
