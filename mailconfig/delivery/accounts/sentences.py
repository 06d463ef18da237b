"""The sentences a check may show, marked for translation. They are stored in English and translated when shown.

Transports know no Django, so what they say about a failure is repeated here; a test compares the two. What is
not found here is never shown: a general sentence for the code and stage stands in its place.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from mailconfig.values import ErrorCode, Stage

PASSED = _("The connection works.")
PASSED_BUT_SENDER = _("The connection works, but the server does not take mail from this sender.")
SENT = _("The test mail was accepted by the mail server.")
MAYBE_SENT = _("The connection ended before the server's answer: the mail may or may not have been accepted.")
NO_SENDER = _("The account has no from address.")
BAD_SENDER = _("This sender cannot be written in a mail.")
SENDER_REFUSED = _("The server does not take mail from this sender.")
ACCOUNT_REFUSED = _("The server takes no mail from this account.")
NO_RELAY = _(
    "The server does not pass mail on to others for this account: is it the right server, port and login?"
)
CLIENT_REFUSED = _(
    "The server does not like where the connection comes from, or the name it is greeted with: ask whoever runs it."
)
SENDER_LATER = _("The server does not take mail from this sender now.")
RECIPIENT_REFUSED = _("The server does not take mail for this recipient.")
RECIPIENT_LATER = _("The server does not take mail for this recipient now.")
MESSAGE_REFUSED = _("The server did not accept the message.")
MESSAGE_LATER = _("The server does not accept the message now.")
SECRET_UNREADABLE = _("The stored password cannot be read.")
DESTINATION_CHANGED = _("The stored password was entered for another server or user name.")
NO_SYSTEM_ACCOUNT = _("There is no system account whose server could be used.")
GIVEN_UP = _("The check did not come to an end.")
INTERNAL_ERROR = _("An error of our own, which stands in the log.")
ACCOUNT_GONE = _("The account was deleted.")
WRONG_INSTALLATION = _("This database belongs to another installation: nothing is sent from here.")

ENTER_AGAIN = _("Enter the password again.")
NAME_UNKNOWN = _("The name of the server is unknown: is it spelled right?")
UNREACHABLE = _("No connection to the server could be made.")
UNREACHABLE_HINT = _("Check the name of the server and the port.")

BY_STAGE = {
    (ErrorCode.CONNECT_FAILED, Stage.RESOLVE): UNREACHABLE,
    (ErrorCode.CONNECT_FAILED, Stage.CONNECT): UNREACHABLE,
    (ErrorCode.CONNECT_FAILED, Stage.EHLO): _("The server refused our greeting."),
    (ErrorCode.CONNECT_FAILED, Stage.TLS): _("The connection was lost while encryption was set up."),
    (ErrorCode.CONNECT_FAILED, Stage.LOGIN): _("The connection was lost during the login."),
    (ErrorCode.HOST_NOT_ALLOWED, Stage.RESOLVE): _("This is not the name of a server that may be used."),
    (ErrorCode.TIMEOUT, Stage.CONNECT): _("The server took too long to answer."),
    (ErrorCode.TIMEOUT, Stage.TLS): _("The server took too long to set up encryption."),
    (ErrorCode.TIMEOUT, Stage.EHLO): _("The server took too long to answer our greeting."),
    (ErrorCode.TIMEOUT, Stage.LOGIN): _("The server took too long to answer the login."),
    (ErrorCode.TIMEOUT, Stage.SENDER): _("The server took too long to answer about the sender."),
    (ErrorCode.TIMEOUT, Stage.RECIPIENT): _("The server took too long to answer about the recipient."),
    (ErrorCode.TIMEOUT, Stage.DOT): _("The server took too long to accept the message."),
}
BY_CODE = {
    ErrorCode.HOST_NOT_ALLOWED: _("This server may not be used."),
    ErrorCode.CONNECT_FAILED: _("The connection was lost."),
    ErrorCode.TLS_FAILED: _("An encrypted connection to the server could not be made."),
    ErrorCode.AUTH_FAILED: _("The login did not work."),
    ErrorCode.SENDER_REFUSED: SENDER_REFUSED,
    ErrorCode.RECIPIENT_REFUSED: RECIPIENT_REFUSED,
    ErrorCode.PROTOCOL_ERROR: _("This is no mail server, or one that does not speak SMTP properly."),
    ErrorCode.TIMEOUT: _("The server took too long."),
}
CLOSED_PORT = _("Nobody listens on this port: is it the right one?")
ALLOW_HOST = _(
    "If this server is meant: ALLOWED_NETWORKS or ALLOWED_HOSTS in the deployment's settings allow it."
)
ALLOW_PORT = _("If this port is meant: ALLOWED_PORTS in the deployment's settings allows it.")
TRUST_AUTHORITY = _(
    "Whoever runs the server has to give it a certificate of a public authority, and those in between."
    " If the authority is your own, the deployment has to trust it: CA_FILE in its settings."
)
TRUST_AUTHORITY_FOR_OTHERS = _(
    "Whoever runs the server has to give it a certificate of a public authority, and those in between."
)
FOR_STAFF = {ALLOW_HOST: "", ALLOW_PORT: "", TRUST_AUTHORITY: TRUST_AUTHORITY_FOR_OTHERS}
"""Hints that name a setting of the deployment, and what others are told instead."""

PORT_NOT_ALLOWED = _("Connections to this port are not allowed.")

OF_TRANSPORTS = frozenset(
    {
        UNREACHABLE,
        UNREACHABLE_HINT,
        ALLOW_HOST,
        ALLOW_PORT,
        _("This address is not allowed."),
        _("A port is a number from 1 to 65535."),
        # TLS
        _("The server offers no STARTTLS."),
        _("Choose another port or TLS. Nothing was sent without encryption."),
        _("The server refused STARTTLS."),
        _("The server's answer to STARTTLS is none."),
        _("Something was sent between STARTTLS and the encryption: the connection is tampered with."),
        _("The server did not answer the TLS handshake."),
        _("The connection ended during the TLS handshake."),
        _("The file of certificate authorities cannot be used."),
        _("The deployment's ca_file has to be a readable PEM file."),
        _("The server's certificate has expired."),
        _("The server's certificate is not valid yet."),
        _("Is this machine's clock right?"),
        _("The server's certificate is for another name."),
        _("Use the name of the server that its provider gives, not an alias or an address."),
        _("The server's certificate is not from an authority that is trusted here."),
        TRUST_AUTHORITY,
        _("Whoever runs the server has to renew it."),
        _("The server's certificate could not be verified."),
        _("The server talks no TLS here."),
        _("This looks like a STARTTLS port. Choose STARTTLS, or port 465 with TLS."),
        _("The server offers no TLS that is still safe."),
        _("At least TLS 1.2 is needed."),
        _("TLS could not be set up."),
        _("The encrypted connection broke."),
        # Session
        _("The server does not accept connections."),
        _("The server does not accept connections now."),
        _("The server refused our greeting."),
        _("The server refused our greeting now."),
        _("The server took too long to answer."),
        _("The server took too long."),
        _("The server ended the connection."),
        _("The connection was lost."),
        _("The session is closed."),
        _("The server does not go on with this connection."),
        _("The server's answer is not one that belongs here."),
        _("Nothing answers as a mail server here."),
        _("The server says nothing: it probably expects TLS from the first byte. Choose TLS for this port."),
        # Login
        _("A user name is needed to log in."),
        _("A password or token is needed to log in."),
        _("The user name has control characters, which cannot be sent."),
        _("The password has control characters, which cannot be sent."),
        _("The user name or password is no valid text."),
        _("The connection is not encrypted: the password was not sent."),
        _("Choose STARTTLS or TLS."),
        _("The server broke off the login in a way the protocol does not have."),
        _("The server does not let us log in now."),
        _("The server refused the login."),
        _("The server offers no login with a password."),
        _("The server offers no login with OAuth 2.0."),
        _("Choose another way to log in."),
        _("The server offers no login on this port."),
        _(
            "This account wants an app password: two-step sign-in is on,"
            " and the usual password is not accepted here."
        ),
        _(
            "SMTP sign-in with a password is switched off for this mailbox or its organisation (Microsoft 365):"
            " an administrator has to allow authenticated SMTP, or OAuth 2.0 has to be used."
        ),
        _("Microsoft no longer accepts a password here: use OAuth 2.0."),
        _("The server has had too many logins of this account; it will be tried again later."),
        _("Check the user name and the password; many providers want an app password."),
        _("The access token was refused: it may have expired, or lacks the right to send mail."),
        _("The server wants encryption before the login: choose STARTTLS or TLS."),
        # Sender
        _(
            "The account may not send from this address: use its own address, or have the server allow this one."
        ),
        _("The server wants a login before it accepts mail."),
        _("The server wants encryption before it accepts mail: choose STARTTLS or TLS."),
    }
)


def of_failure(text: str, *, code: ErrorCode, stage: Stage) -> str:
    """``text`` if it is a known sentence, else what is generally true of such a failure."""
    if text in OF_TRANSPORTS:
        return text
    return BY_STAGE.get((code, stage)) or BY_CODE[code]


def of_hint(text: str) -> str:
    """``text`` if it is a known sentence, else nothing."""
    return text if text in OF_TRANSPORTS else ""


def for_others(hint: str) -> str:
    """The hint as those may read it who are not staff."""
    return FOR_STAFF.get(hint, hint)
