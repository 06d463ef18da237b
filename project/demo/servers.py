"""The demo's mail servers, SMTP and IMAP, and its sign-in service, in threads of this process."""

from __future__ import annotations

from contextlib import ExitStack
from secrets import token_urlsafe

from project.certificate import server_context
from project.inbox.imap import IMAPServer
from project.inbox.post_office import PostOffice
from project.inbox.server import MailServer
from project.inbox.store import Inbox

from .authority import Authority
from .content import NEWS, SUPPORT, Login
from .listeners import HOST, listen

SMTP_PORT = 1025
IMAP_PORT = 1143
USER = "demo"
"""Sends whatever it likes, and finds all mail that came in in its mailbox."""


def start_authority(stack: ExitStack, *, redirect_uri: str) -> Authority:
    """Start the sign-in service until ``stack`` ends."""
    authority = Authority(redirect_uri=redirect_uri)
    authority.start()
    stack.callback(authority.stop)
    return authority


def start_mail_servers(stack: ExitStack, inbox: Inbox, authority: Authority) -> tuple[Login, Login]:
    """Start both until ``stack`` ends. SMTP takes the authority's tokens, too.

    Returns:
        Where SMTP is, and where IMAP. The demo's mailboxes log in to IMAP by their addresses, with the same password.
    """
    smtp_sockets, imap_sockets = listen(SMTP_PORT), listen(IMAP_PORT)
    password, tls = token_urlsafe(18), server_context()
    users = frozenset({SUPPORT, NEWS})
    imap = IMAPServer(imap_sockets, passwords=dict.fromkeys([USER, *sorted(users)], password), tls=tls)
    imap.start()
    stack.callback(imap.stop)
    office = PostOffice(
        inbox,
        add=lambda user, content, received_at: imap.add(user, content, received_at=received_at),
        users=users,
        everything=USER,
    )
    smtp = MailServer(
        office.take, smtp_sockets, username=USER, password=password, tls=tls, accepts=authority.accepts
    )
    smtp.start()
    stack.callback(smtp.stop)
    ports = [sockets[0].getsockname()[1] for sockets in (smtp_sockets, imap_sockets)]
    at_smtp, at_imap = (Login(host=HOST, port=port, username=USER, password=password) for port in ports)
    return at_smtp, at_imap
