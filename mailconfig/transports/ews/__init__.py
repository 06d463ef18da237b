"""Exchange Web Services ([MS-OXWSCORE], [MS-OXWSMSG], [MS-OXWSSYNC]): SOAP over HTTP, to send mail and to read it.

The seven operations are our own over :mod:`mailconfig.transports.http`, and not exchangelib's, because of what that does (5.6):
a call that the server does not like is made again with another schema version, so a mail that was journaled once could be sent
twice (``EWSService._get_response_xml``); whoever waits cannot be told of, nor a lease renewed, while ``post_ratelimited`` or
a back-off sleeps; connections, credentials among them, stay in a cache of the process (``CachingProtocol``), and their class
of adapter is the process's; its parser takes up broken XML and has no limit of size (``recover``, ``huge_tree``). In tests it is
the client that our server is proved with.
"""

from .transport import EWSReadingTransport, EWSTransport

TRANSPORT = EWSTransport()
READING_TRANSPORT = EWSReadingTransport()

__all__ = ["READING_TRANSPORT", "TRANSPORT", "EWSReadingTransport", "EWSTransport"]
