"""The sentences a check may show: a code for each, which is stored and compared, and its words for people.

Transports know no Django, so what they say about a failure is repeated here; a test compares the two. What is
not found here is never shown: a general sentence for the code and stage stands in its place.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from mailconfig.values import ErrorCode, Stage

TEXTS: dict[str, str] = {}
"""The English words of each code, by code."""


def _says(code: str, text: str) -> str:
    """Note the words of a code.

    Returns:
        The code.
    """
    if TEXTS.setdefault(code, text) != text:
        msg = f"{code} says two things"
        raise ValueError(msg)
    return code


PASSED = _says("passed", _("The connection works."))
PASSED_BUT_SENDER = _says(
    "passed_but_sender", _("The connection works, but the server does not take mail from this sender.")
)
SYNC_PASSED = _says("sync_passed", _("The mailbox can be synced."))
SENT = _says("sent", _("The test mail was accepted by the mail server."))
MAYBE_SENT = _says(
    "maybe_sent",
    _("The connection ended before the server's answer: the mail may or may not have been accepted."),
)
NO_SENDER = _says("no_sender", _("The account has no from address."))
BAD_SENDER = _says("bad_sender", _("This sender cannot be written in a mail."))
SENDER_REFUSED = _says("sender_refused", _("The server does not take mail from this sender."))
ACCOUNT_REFUSED = _says("account_refused", _("The server takes no mail from this account."))
NO_RELAY = _says(
    "no_relay",
    _("The server does not pass mail on to others for this account: is it the right server, port and login?"),
)
CLIENT_REFUSED = _says(
    "client_refused",
    _(
        "The server does not like where the connection comes from, or the name it is greeted with: ask whoever runs it."
    ),
)
LOGIN_FIRST = _says("login_first", _("The server wants a login before it accepts mail."))
SENDER_LATER = _says("sender_later", _("The server does not take mail from this sender now."))
RECIPIENT_REFUSED = _says("recipient_refused", _("The server does not take mail for this recipient."))
RECIPIENT_LATER = _says("recipient_later", _("The server does not take mail for this recipient now."))
MESSAGE_REFUSED = _says("message_refused", _("The server did not accept the message."))
MESSAGE_LATER = _says("message_later", _("The server does not accept the message now."))
FOLDER_REFUSED = _says("folder_refused", _("The server does not let us open this folder."))
EXCHANGE_NOT_FOUND = _says(
    "exchange_not_found",
    _("No Exchange was found by the mailbox's address: enter the address of its web service."),
)
EXCHANGE_LATE = _says(
    "exchange_not_found_in_time",
    _("Exchange was not found in time: try again, or enter the address of its web service."),
)
EXCHANGE_ENDLESS = _says(
    "exchange_search_endless",
    _("The search for Exchange goes round in circles: enter the address of its web service."),
)
EXCHANGE_NO_BASIC = _says(
    "exchange_search_no_login",
    _(
        "The server that knows Exchange's address offers no login that is known here; NTLM and Kerberos are not spoken."
        " Enter the address of the web service."
    ),
)
EXCHANGE_NEEDS_PASSWORD = _says(
    "exchange_search_needs_password",
    _(
        "The server that knows Exchange's address wants a password: enter it, or the address of the web service."
    ),
)
EXCHANGE_LOGIN_REFUSED = _says(
    "exchange_search_refused",
    _("The server that knows Exchange's address refused this user name and password."),
)
EXCHANGE_LEADS_AWAY = _says(
    "exchange_search_leads_away",
    _(
        "The search for Exchange leads to the server %(host)s, which is no part of the address's domain. If you know it"
        " to be right, save once more, and the password goes there."
    ),
)
EXCHANGE_ELSEWHERE = _says(
    "exchange_elsewhere",
    _(
        "Exchange's web service was found at the server %(host)s, which is no part of the address's domain. If you know"
        " it to be right, save once more, and the password goes there."
    ),
)
SECRET_UNREADABLE = _says("secret_unreadable", _("The stored password cannot be read."))
DESTINATION_CHANGED = _says(
    "destination_changed", _("The stored password was entered for another server or user name.")
)
NO_SYSTEM_ACCOUNT = _says("no_system_account", _("There is no system account whose server could be used."))
NO_TRANSPORT = _says("no_transport", _("Nothing here sends in the way that the account names."))
NO_READING_TRANSPORT = _says(
    "no_reading_transport", _("Nothing here syncs in the way that the mailbox names.")
)
GIVEN_UP = _says("given_up", _("The check did not come to an end."))
INTERNAL_ERROR = _says("internal_error", _("An error of our own, which stands in the log."))
ACCOUNT_GONE = _says("account_gone", _("The account was deleted."))
WRONG_INSTALLATION = _says(
    "wrong_installation", _("This database belongs to another installation: nothing is sent from here.")
)

ENTER_AGAIN = _says("enter_again", _("Enter the password again."))
NAME_UNKNOWN = _says("name_unknown", _("The name of the server is unknown: is it spelled right?"))
UNREACHABLE = _says("unreachable", _("No connection to the server could be made."))
UNREACHABLE_HINT = _says("unreachable_hint", _("Check the name of the server and the port."))

BY_STAGE = {
    (ErrorCode.CONNECT_FAILED, Stage.RESOLVE): UNREACHABLE,
    (ErrorCode.CONNECT_FAILED, Stage.CONNECT): UNREACHABLE,
    (ErrorCode.CONNECT_FAILED, Stage.EHLO): _says("greeting_refused", _("The server refused our greeting.")),
    (ErrorCode.CONNECT_FAILED, Stage.BANNER): _says(
        "greeting_refused", _("The server refused our greeting.")
    ),
    (ErrorCode.CONNECT_FAILED, Stage.TLS): _says(
        "lost_in_tls", _("The connection was lost while encryption was set up.")
    ),
    (ErrorCode.CONNECT_FAILED, Stage.LOGIN): _says(
        "lost_in_login", _("The connection was lost during the login.")
    ),
    (ErrorCode.HOST_NOT_ALLOWED, Stage.RESOLVE): _says(
        "name_not_allowed", _("This is not the name of a server that may be used.")
    ),
    (ErrorCode.TIMEOUT, Stage.CONNECT): _says("slow_answer", _("The server took too long to answer.")),
    (ErrorCode.TIMEOUT, Stage.TLS): _says("slow_tls", _("The server took too long to set up encryption.")),
    (ErrorCode.TIMEOUT, Stage.EHLO): _says(
        "slow_greeting", _("The server took too long to answer our greeting.")
    ),
    (ErrorCode.TIMEOUT, Stage.BANNER): _says(
        "slow_greeting", _("The server took too long to answer our greeting.")
    ),
    (ErrorCode.TIMEOUT, Stage.LOGIN): _says("slow_login", _("The server took too long to answer the login.")),
    (ErrorCode.TIMEOUT, Stage.FOLDER): _says(
        "slow_folder", _("The server took too long to open the folder or to read in it.")
    ),
    (ErrorCode.TIMEOUT, Stage.SENDER): _says(
        "slow_sender", _("The server took too long to answer about the sender.")
    ),
    (ErrorCode.TIMEOUT, Stage.RECIPIENT): _says(
        "slow_recipient", _("The server took too long to answer about the recipient.")
    ),
    (ErrorCode.TIMEOUT, Stage.DOT): _says(
        "slow_message", _("The server took too long to accept the message.")
    ),
}
BY_CODE = {
    ErrorCode.HOST_NOT_ALLOWED: _says("server_not_allowed", _("This server may not be used.")),
    ErrorCode.CONNECT_FAILED: _says("connection_lost", _("The connection was lost.")),
    ErrorCode.TLS_FAILED: _says("tls_failed", _("An encrypted connection to the server could not be made.")),
    ErrorCode.AUTH_FAILED: _says("login_failed", _("The login did not work.")),
    ErrorCode.SENDER_REFUSED: SENDER_REFUSED,
    ErrorCode.RECIPIENT_REFUSED: RECIPIENT_REFUSED,
    ErrorCode.FOLDER_REFUSED: FOLDER_REFUSED,
    ErrorCode.PROTOCOL_ERROR: _says(
        "protocol_error", _("This is no mail server, or one that does not speak its protocol properly.")
    ),
    ErrorCode.TIMEOUT: _says("slow", _("The server took too long.")),
}
CLOSED_PORT = _says("closed_port", _("Nobody listens on this port: is it the right one?"))
ALLOW_HOST = _says(
    "allow_host",
    _("If this server is meant: ALLOWED_NETWORKS or ALLOWED_HOSTS in the deployment's settings allow it."),
)
ALLOW_PORT = _says(
    "allow_port", _("If this port is meant: ALLOWED_PORTS in the deployment's settings allows it.")
)
TRUST_AUTHORITY = _says(
    "trust_authority",
    _(
        "Whoever runs the server has to give it a certificate of a public authority, and those in between."
        " If the authority is your own, the deployment has to trust it: CA_FILE in its settings."
    ),
)
TRUST_AUTHORITY_FOR_OTHERS = _says(
    "trust_authority_for_others",
    _("Whoever runs the server has to give it a certificate of a public authority, and those in between."),
)
FOR_STAFF = {ALLOW_HOST: "", ALLOW_PORT: "", TRUST_AUTHORITY: TRUST_AUTHORITY_FOR_OTHERS}
"""Hints that name a setting of the deployment, and what others are told instead."""

PORT_NOT_ALLOWED = _says("port_not_allowed", _("Connections to this port are not allowed."))

OF_TRANSPORTS = frozenset(
    {
        UNREACHABLE,
        UNREACHABLE_HINT,
        ALLOW_HOST,
        ALLOW_PORT,
        _says("address_not_allowed", _("This address is not allowed.")),
        _says("port_out_of_range", _("A port is a number from 1 to 65535.")),
        # TLS
        _says("no_starttls", _("The server offers no STARTTLS.")),
        _says("choose_port_or_tls", _("Choose another port or TLS. Nothing was sent without encryption.")),
        _says("starttls_refused", _("The server refused STARTTLS.")),
        _says("starttls_garbled", _("The server's answer to STARTTLS is none.")),
        _says(
            "starttls_injected",
            _("Something was sent between STARTTLS and the encryption: the connection is tampered with."),
        ),
        _says("handshake_unanswered", _("The server did not answer the TLS handshake.")),
        _says("handshake_ended", _("The connection ended during the TLS handshake.")),
        _says("ca_file_unusable", _("The file of certificate authorities cannot be used.")),
        _says("ca_file_pem", _("The deployment's ca_file has to be a readable PEM file.")),
        _says("certificate_expired", _("The server's certificate has expired.")),
        _says("certificate_not_yet_valid", _("The server's certificate is not valid yet.")),
        _says("check_clock", _("Is this machine's clock right?")),
        _says("certificate_other_name", _("The server's certificate is for another name.")),
        _says(
            "use_provider_name",
            _("Use the name of the server that its provider gives, not an alias or an address."),
        ),
        _says(
            "certificate_untrusted",
            _("The server's certificate is not from an authority that is trusted here."),
        ),
        TRUST_AUTHORITY,
        _says("renew_certificate", _("Whoever runs the server has to renew it.")),
        _says("certificate_unverified", _("The server's certificate could not be verified.")),
        _says("no_tls_here", _("The server talks no TLS here.")),
        _says(
            "looks_like_starttls",
            _("This looks like a STARTTLS port. Choose STARTTLS, or port 465 with TLS."),
        ),
        _says(
            "looks_like_starttls_imap",
            _("This looks like a STARTTLS port. Choose STARTTLS, or port 993 with TLS."),
        ),
        _says("tls_too_old", _("The server offers no TLS that is still safe.")),
        _says("need_tls_1_2", _("At least TLS 1.2 is needed.")),
        _says("tls_not_set_up", _("TLS could not be set up.")),
        _says("tls_broke", _("The encrypted connection broke.")),
        # Session
        _says("connections_refused", _("The server does not accept connections.")),
        _says("connections_refused_now", _("The server does not accept connections now.")),
        _says("greeting_refused", _("The server refused our greeting.")),
        _says("greeting_refused_now", _("The server refused our greeting now.")),
        _says("slow_answer", _("The server took too long to answer.")),
        _says("slow", _("The server took too long.")),
        _says("connection_ended", _("The server ended the connection.")),
        _says("connection_lost", _("The connection was lost.")),
        _says("session_closed", _("The session is closed.")),
        _says("connection_not_continued", _("The server does not go on with this connection.")),
        _says("answer_out_of_place", _("The server's answer is not one that belongs here.")),
        _says("no_mail_server", _("Nothing answers as a mail server here.")),
        _says(
            "looks_like_tls",
            _(
                "The server says nothing: it probably expects TLS from the first byte. Choose TLS for this port."
            ),
        ),
        # Login
        _says("need_username", _("A user name is needed to log in.")),
        _says("need_secret", _("A password or token is needed to log in.")),
        _says("username_controls", _("The user name has control characters, which cannot be sent.")),
        _says("secret_controls", _("The password has control characters, which cannot be sent.")),
        _says("login_no_text", _("The user name or password is no valid text.")),
        _says("login_in_clear", _("The connection is not encrypted: the password was not sent.")),
        _says("choose_encryption", _("Choose STARTTLS or TLS.")),
        _says("login_broken_off", _("The server broke off the login in a way the protocol does not have.")),
        _says("login_refused_now", _("The server does not let us log in now.")),
        _says("login_refused", _("The server refused the login.")),
        _says("no_password_login", _("The server offers no login with a password.")),
        _says("no_oauth2_login", _("The server offers no login with OAuth 2.0.")),
        _says("choose_other_login", _("Choose another way to log in.")),
        _says("no_login_here", _("The server offers no login on this port.")),
        _says(
            "app_password",
            _(
                "This account wants an app password: two-step sign-in is on,"
                " and the usual password is not accepted here."
            ),
        ),
        _says(
            "microsoft_smtp_off",
            _(
                "SMTP sign-in with a password is switched off for this mailbox or its organisation (Microsoft 365):"
                " an administrator has to allow authenticated SMTP, or OAuth 2.0 has to be used."
            ),
        ),
        _says("microsoft_oauth2", _("Microsoft no longer accepts a password here: use OAuth 2.0.")),
        _says(
            "too_many_logins",
            _("The server has had too many logins of this account; it will be tried again later."),
        ),
        _says(
            "check_password", _("Check the user name and the password; many providers want an app password.")
        ),
        _says(
            "token_refused",
            _("The access token was refused: it may have expired, or lacks the right to send mail."),
        ),
        _says("encrypt_login", _("The server wants encryption before the login: choose STARTTLS or TLS.")),
        _says(
            "read_token_refused",
            _("The access token was refused: it may have expired, or lacks the right to read mail."),
        ),
        _says(
            "imap_off",
            _(
                "IMAP is switched off for this mailbox: it can be switched on where the mail service is set up."
            ),
        ),
        # Exchange's web service
        _says("no_exchange", _("No Exchange answers here, or a broken one.")),
        _says("exchange_missing", _("The address of Exchange's web service is missing.")),
        _says("exchange_busy", _("The server has no time for this mailbox now.")),
        _says("exchange_mailbox_refused", _("The server does not let this user name into the mailbox.")),
        _says("exchange_forbidden", _("The server does not let this mailbox into its web service.")),
        _says("no_known_login", _("The server offers no way to log in that is known here.")),
        _says(
            "unverified_not_allowed",
            _("A certificate that is not verified is not allowed here: the password was not sent."),
        ),
        _says(
            "allow_unverified",
            _(
                "ALLOW_UNVERIFIED_TLS in the deployment's settings allows it. Better: let the deployment trust the"
                " authority of the server's certificate, by CA_FILE."
            ),
        ),
        _says(
            "exchange_ntlm",
            _(
                "Switch on Basic authentication for the web service (EWS), which is safe over TLS, or use OAuth 2.0."
                " NTLM and Kerberos are not spoken here."
            ),
        ),
        _says(
            "exchange_address",
            _(
                "Check the address of the web service: it usually ends in /EWS/Exchange.asmx, and is not the page where"
                " people log in."
            ),
        ),
        _says(
            "exchange_access",
            _(
                "Whoever runs Exchange has to allow this mailbox its web service (EWS), and applications that use it."
            ),
        ),
        _says(
            "exchange_impersonation",
            _(
                "The organisation has to let the app registration into this mailbox: full_access_as_app, and no policy"
                " against it."
            ),
        ),
        _says(
            "exchange_mailbox",
            _("This user name has no mailbox there: it is often the address of the mailbox."),
        ),
        _says("exchange_full", _("The mailbox is full, so no copy of what is sent can be kept in it.")),
        _says(
            "exchange_version",
            _("Choose another version of Exchange, or none: the server does not speak this one."),
        ),
        _says(
            "exchange_sender",
            _(
                "The mailbox may send from its own addresses only, and from those that it was given the right to send as."
            ),
        ),
        _says(
            "exchange_password",
            _("The password has expired: choose a new one at Exchange, and enter it here."),
        ),
        _says("exchange_folder", _("Make a folder of this name below the inbox, or beside it.")),
        _says("exchange_same_changes", _("The server tells the same changes again and again.")),
        _says("exchange_gave_up", _("The server gave up in the middle of it.")),
        _says("session_over", _("The session is over.")),
        _says("session_ended_by_server", _("The server ended the session.")),
        # Mail services over HTTP
        _says("need_api_key", _("An API key is needed to send by this service.")),
        _says("api_key_no_key", _("The API key has characters that no key has.")),
        _says("need_service_user", _("This service needs the user name as well.")),
        _says("service_user_no_text", _("The user name has characters that cannot be sent.")),
        _says("api_key_refused", _("The service refused the API key.")),
        _says(
            "check_api_key",
            _("Check the key: it may have been copied in part, revoked, or be of another service or region."),
        ),
        _says("service_sender", _("The service does not let this account send from this address.")),
        _says("service_key", _("The API key was refused: it may be revoked, or may not send.")),
        # Gmail's own interface
        _says("no_gmail", _("No Gmail answers here, or a broken one.")),
        _says("gmail_needs_token", _("Gmail's interface lets nobody in with a password: log in by OAuth 2.")),
        _says("token_no_text", _("The access token has characters that no token has.")),
        _says(
            "gmail_choose_oauth2",
            _("Choose an app registration of Google's for this account, and connect it."),
        ),
        _says("gmail_token_refused", _("Gmail refused the access token.")),
        _says(
            "gmail_too_few_rights",
            _("The permission does not reach as far: what is asked of Gmail needs another right."),
        ),
        _says(
            "gmail_another_mailbox",
            _("The permission is for another mailbox than this account's user name says."),
        ),
        _says(
            "gmail_same_address",
            _("Connect the account again, and sign in with the address that is its user name."),
        ),
        _says(
            "gmail_switched_off",
            _("The Gmail API is not switched on in the project of the app registration."),
        ),
        _says(
            "gmail_switch_on",
            _("Switch on the Gmail API in the Google Cloud project of the app registration."),
        ),
        _says("gmail_not_allowed", _("Whoever looks after the mailbox's domain does not let the app in.")),
        _says(
            "gmail_allow_app",
            _("An administrator of the domain has to trust the app in Google's admin console."),
        ),
        _says("gmail_no_mailbox", _("This login has no mailbox at Gmail, or it is switched off.")),
        _says("gmail_busy", _("Gmail wants to be left alone for a while.")),
        _says("gmail_no_time", _("Gmail has no time for this mailbox now.")),
        _says("gmail_same_pages", _("Gmail tells the same page again and again.")),
        _says("gmail_no_label", _("There is no label of this name in the mailbox.")),
        _says("gmail_make_label", _("Make a label of this name in Gmail.")),
        # Access tokens
        _says("token_service_away", _("The sign-in service cannot be reached.")),
        _says("no_tokens_now", _("The sign-in service gives out no tokens now.")),
        _says("token_service_garbled", _("The sign-in service's answer is none.")),
        _says(
            "token_kind_unknown",
            _("The sign-in service gives out tokens of a kind that cannot be used here."),
        ),
        _says("token_missing", _("The sign-in service's answer has no token that can be used.")),
        _says("token_too_long", _("The sign-in service's token is too long.")),
        _says("token_time_unknown", _("The sign-in service does not say properly how long its token lasts.")),
        _says("consent_over", _("The permission to use the mailbox is not valid any more.")),
        _says("registration_refused", _("The sign-in service refuses the app registration.")),
        _says("connect_again", _("Connect the account again: somebody has to sign in and agree.")),
        _says(
            "check_registration",
            _("Check the app registration: its id, its secret, which may have expired, and its rights."),
        ),
        _says("not_connected", _("Nobody has connected the account yet.")),
        _says("connect", _("Connect the account: somebody has to sign in and agree.")),
        _says("not_connected_any_more", _("The account is not connected any more.")),
        _says("token_being_fetched", _("Another process is fetching the access token.")),
        _says("token_other_server", _("The tokens of this app registration are not for this mail server.")),
        _says("registration_of_another", _("This app registration belongs to another tenant.")),
        _says("granted_to_another", _("The login was granted for another user name, owner or tenant.")),
        _says(
            "choose_registration_again",
            _("Somebody who may choose app registrations has to choose it for this account again."),
        ),
        _says(
            "organisation_lets_in",
            _(
                "The organisation has to let the app registration into this mailbox, and to allow SMTP or IMAP for it."
            ),
        ),
        # Folder
        _says("no_imap", _("The server speaks no IMAP that is understood here.")),
        FOLDER_REFUSED,
        _says("folder_refused_now", _("The server does not let us open this folder now.")),
        _says("reading_refused", _("The server does not let us read in this folder.")),
        _says("command_unknown", _("The server does not know a command that it has to know.")),
        _says(
            "check_folder",
            _(
                "Check the name of the folder: servers tell upper from lower case, and some begin names with INBOX."
            ),
        ),
        # Sender
        _says(
            "use_own_address",
            _(
                "The account may not send from this address: use its own address, or have the server allow this one."
            ),
        ),
        LOGIN_FIRST,
        _says(
            "encrypt_mail", _("The server wants encryption before it accepts mail: choose STARTTLS or TLS.")
        ),
    }
)


_CODES = {text: code for code, text in TEXTS.items()}
"""Transports raise words; here alone they become codes."""


def of_failure(text: str, *, code: ErrorCode, stage: Stage) -> str:
    """Return the sentence for a transport's words if they are known, else what is generally true of such a failure."""
    found = _CODES.get(text, "")
    if found in OF_TRANSPORTS:
        return found
    return BY_STAGE.get((code, stage)) or BY_CODE[code]


def of_hint(text: str) -> str:
    """Return the sentence for a transport's hint; ``""`` if it is not known."""
    found = _CODES.get(text, "")
    return found if found in OF_TRANSPORTS else ""


def of_detail(text: str) -> str:
    """Return the sentence that a stage's detail is; ``""``: it is somebody else's words."""
    return of_hint(text)


def in_english(sentence: str) -> str:
    """Return the words for a log or a lane, which are stored as they are."""
    return TEXTS.get(sentence, sentence)


def for_others(hint: str) -> str:
    """Return the hint as those may read it who are not staff."""
    return FOR_STAFF.get(hint, hint)
