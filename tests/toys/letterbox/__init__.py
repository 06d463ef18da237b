"""A transport that posts mail to a letterbox over HTTP: all that a new transport takes lies in this folder."""

from .transport import LetterboxTransport

TRANSPORT = LetterboxTransport()
