"""Checks store codes of sentences instead of the English words; what was stored is translated."""

from typing import Any

from django.db import migrations

CODES = {
    "The connection works.": "passed",
    "The connection works, but the server does not take mail from this sender.": "passed_but_sender",
    "The test mail was accepted by the mail server.": "sent",
    "The connection ended before the server's answer: the mail may or may not have been accepted.": "maybe_sent",
    "The account has no from address.": "no_sender",
    "This sender cannot be written in a mail.": "bad_sender",
    "The server does not take mail from this sender.": "sender_refused",
    "The server takes no mail from this account.": "account_refused",
    "The server does not pass mail on to others for this account: is it the right server, port and login?": "no_relay",
    "The server does not like where the connection comes from, or the name it is greeted with: ask whoever runs it.": "client_refused",
    "The server does not take mail from this sender now.": "sender_later",
    "The server does not take mail for this recipient.": "recipient_refused",
    "The server does not take mail for this recipient now.": "recipient_later",
    "The server did not accept the message.": "message_refused",
    "The server does not accept the message now.": "message_later",
    "The stored password cannot be read.": "secret_unreadable",
    "The stored password was entered for another server or user name.": "destination_changed",
    "There is no system account whose server could be used.": "no_system_account",
    "The check did not come to an end.": "given_up",
    "An error of our own, which stands in the log.": "internal_error",
    "The account was deleted.": "account_gone",
    "This database belongs to another installation: nothing is sent from here.": "wrong_installation",
    "Enter the password again.": "enter_again",
    "The name of the server is unknown: is it spelled right?": "name_unknown",
    "No connection to the server could be made.": "unreachable",
    "Check the name of the server and the port.": "unreachable_hint",
    "The server refused our greeting.": "greeting_refused",
    "The connection was lost while encryption was set up.": "lost_in_tls",
    "The connection was lost during the login.": "lost_in_login",
    "This is not the name of a server that may be used.": "name_not_allowed",
    "The server took too long to answer.": "slow_answer",
    "The server took too long to set up encryption.": "slow_tls",
    "The server took too long to answer our greeting.": "slow_greeting",
    "The server took too long to answer the login.": "slow_login",
    "The server took too long to answer about the sender.": "slow_sender",
    "The server took too long to answer about the recipient.": "slow_recipient",
    "The server took too long to accept the message.": "slow_message",
    "This server may not be used.": "server_not_allowed",
    "The connection was lost.": "connection_lost",
    "An encrypted connection to the server could not be made.": "tls_failed",
    "The login did not work.": "login_failed",
    "This is no mail server, or one that does not speak SMTP properly.": "protocol_error",
    "The server took too long.": "slow",
    "Nobody listens on this port: is it the right one?": "closed_port",
    "If this server is meant: ALLOWED_NETWORKS or ALLOWED_HOSTS in the deployment's settings allow it.": "allow_host",
    "If this port is meant: ALLOWED_PORTS in the deployment's settings allows it.": "allow_port",
    "Whoever runs the server has to give it a certificate of a public authority, and those in between. If the authority is your own, the deployment has to trust it: CA_FILE in its settings.": "trust_authority",
    "Whoever runs the server has to give it a certificate of a public authority, and those in between.": "trust_authority_for_others",
    "Connections to this port are not allowed.": "port_not_allowed",
    "This address is not allowed.": "address_not_allowed",
    "A port is a number from 1 to 65535.": "port_out_of_range",
    "The server offers no STARTTLS.": "no_starttls",
    "Choose another port or TLS. Nothing was sent without encryption.": "choose_port_or_tls",
    "The server refused STARTTLS.": "starttls_refused",
    "The server's answer to STARTTLS is none.": "starttls_garbled",
    "Something was sent between STARTTLS and the encryption: the connection is tampered with.": "starttls_injected",
    "The server did not answer the TLS handshake.": "handshake_unanswered",
    "The connection ended during the TLS handshake.": "handshake_ended",
    "The file of certificate authorities cannot be used.": "ca_file_unusable",
    "The deployment's ca_file has to be a readable PEM file.": "ca_file_pem",
    "The server's certificate has expired.": "certificate_expired",
    "The server's certificate is not valid yet.": "certificate_not_yet_valid",
    "Is this machine's clock right?": "check_clock",
    "The server's certificate is for another name.": "certificate_other_name",
    "Use the name of the server that its provider gives, not an alias or an address.": "use_provider_name",
    "The server's certificate is not from an authority that is trusted here.": "certificate_untrusted",
    "Whoever runs the server has to renew it.": "renew_certificate",
    "The server's certificate could not be verified.": "certificate_unverified",
    "The server talks no TLS here.": "no_tls_here",
    "This looks like a STARTTLS port. Choose STARTTLS, or port 465 with TLS.": "looks_like_starttls",
    "The server offers no TLS that is still safe.": "tls_too_old",
    "At least TLS 1.2 is needed.": "need_tls_1_2",
    "TLS could not be set up.": "tls_not_set_up",
    "The encrypted connection broke.": "tls_broke",
    "The server does not accept connections.": "connections_refused",
    "The server does not accept connections now.": "connections_refused_now",
    "The server refused our greeting now.": "greeting_refused_now",
    "The server ended the connection.": "connection_ended",
    "The session is closed.": "session_closed",
    "The server does not go on with this connection.": "connection_not_continued",
    "The server's answer is not one that belongs here.": "answer_out_of_place",
    "Nothing answers as a mail server here.": "no_mail_server",
    "The server says nothing: it probably expects TLS from the first byte. Choose TLS for this port.": "looks_like_tls",
    "A user name is needed to log in.": "need_username",
    "A password or token is needed to log in.": "need_secret",
    "The user name has control characters, which cannot be sent.": "username_controls",
    "The password has control characters, which cannot be sent.": "secret_controls",
    "The user name or password is no valid text.": "login_no_text",
    "The connection is not encrypted: the password was not sent.": "login_in_clear",
    "Choose STARTTLS or TLS.": "choose_encryption",
    "The server broke off the login in a way the protocol does not have.": "login_broken_off",
    "The server does not let us log in now.": "login_refused_now",
    "The server refused the login.": "login_refused",
    "The server offers no login with a password.": "no_password_login",
    "The server offers no login with OAuth 2.0.": "no_oauth2_login",
    "Choose another way to log in.": "choose_other_login",
    "The server offers no login on this port.": "no_login_here",
    "This account wants an app password: two-step sign-in is on, and the usual password is not accepted here.": "app_password",
    "SMTP sign-in with a password is switched off for this mailbox or its organisation (Microsoft 365): an administrator has to allow authenticated SMTP, or OAuth 2.0 has to be used.": "microsoft_smtp_off",
    "Microsoft no longer accepts a password here: use OAuth 2.0.": "microsoft_oauth2",
    "The server has had too many logins of this account; it will be tried again later.": "too_many_logins",
    "Check the user name and the password; many providers want an app password.": "check_password",
    "The access token was refused: it may have expired, or lacks the right to send mail.": "token_refused",
    "The server wants encryption before the login: choose STARTTLS or TLS.": "encrypt_login",
    "The account may not send from this address: use its own address, or have the server allow this one.": "use_own_address",
    "The server wants a login before it accepts mail.": "login_first",
    "The server wants encryption before it accepts mail: choose STARTTLS or TLS.": "encrypt_mail",
}


def encode(apps: Any, schema_editor: Any) -> None:
    """Give every known sentence its code; what is not known was never shown."""
    _replace(apps, schema_editor, CODES)


def decode(apps: Any, schema_editor: Any) -> None:
    """Give every code its sentence."""
    _replace(apps, schema_editor, {code: text for text, code in CODES.items()})


def _replace(apps: Any, schema_editor: Any, table: dict[str, str]) -> None:
    checks = apps.get_model("mailconfig", "ConnectionCheck").objects.using(schema_editor.connection.alias)
    for column in ("message", "hint"):
        for stored in checks.exclude(**{column: ""}).order_by().values_list(column, flat=True).distinct():
            if stored in table:
                checks.filter(**{column: stored}).update(**{column: table[stored]})


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0017_manage_message"),
    ]

    operations = [
        migrations.RunPython(encode, decode),
    ]
