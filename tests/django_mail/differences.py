"""Where the product does something else than Django's own tests of its SMTP backend ask for, and why."""

import django

_SETTINGS = "server, login, encryption and time-outs are the account's, so the backend has no such option or attribute"
_CONNECTION = "queueing connects to nothing, so there is no connection to open, to lose, or to look into"
_BOUNCES = "bounces go to the account's address; a From header beside from_email makes that the envelope sender (VERP)"
_SHORTER = "a text that is mostly not ASCII is written in base64, which is shorter than quoted-printable"

BOTH = {
    "SMTPBackendTests.test_auth_attempted": _SETTINGS,
    "SMTPBackendTests.test_connection_timeout_custom": _SETTINGS,
    "SMTPBackendTests.test_email_authentication_override_settings": _SETTINGS,
    "SMTPBackendTests.test_email_authentication_use_settings": _SETTINGS,
    "SMTPBackendTests.test_email_disabled_authentication": _SETTINGS,
    "SMTPBackendTests.test_email_ssl_attempts_ssl_connection": _SETTINGS,
    "SMTPBackendTests.test_email_ssl_certfile_default_disabled": _SETTINGS,
    "SMTPBackendTests.test_email_ssl_certfile_override_settings": _SETTINGS,
    "SMTPBackendTests.test_email_ssl_certfile_use_settings": _SETTINGS,
    "SMTPBackendTests.test_email_ssl_default_disabled": _SETTINGS,
    "SMTPBackendTests.test_email_ssl_keyfile_default_disabled": _SETTINGS,
    "SMTPBackendTests.test_email_ssl_keyfile_override_settings": _SETTINGS,
    "SMTPBackendTests.test_email_ssl_keyfile_use_settings": _SETTINGS,
    "SMTPBackendTests.test_email_ssl_override_settings": _SETTINGS,
    "SMTPBackendTests.test_email_ssl_use_settings": _SETTINGS,
    "SMTPBackendTests.test_email_timeout_override_settings": _SETTINGS,
    "SMTPBackendTests.test_email_tls_attempts_starttls": _SETTINGS,
    "SMTPBackendTests.test_email_tls_default_disabled": _SETTINGS,
    "SMTPBackendTests.test_email_tls_override_settings": _SETTINGS,
    "SMTPBackendTests.test_email_tls_use_settings": _SETTINGS,
    "SMTPBackendTests.test_ssl_tls_mutually_exclusive": _SETTINGS,
    "SMTPBackendTests.test_reopen_connection": _CONNECTION,
    "SMTPBackendTests.test_reopen_replaces_partial_connection": _CONNECTION,
    "SMTPBackendTests.test_send_messages_after_open_failed": _CONNECTION,
    "SMTPBackendTests.test_server_open": _CONNECTION,
    "SMTPBackendTests.test_does_not_reencode_idna": _BOUNCES,
    "SMTPBackendTests.test_encodes_idna_in_smtp_commands": _BOUNCES,
}
"""Test and reason, whatever Django."""

ONLY_5_2 = {
    "SMTPBackendStoppedServerTests.test_fail_silently_on_connection_error": _CONNECTION,
    "SMTPBackendTests.test_email_msg_uses_crlf": "the test looks into smtplib, which the product does not send with",
    "SMTPBackendTests.test_send_long_lines": _SHORTER,
}

ONLY_6_1 = {
    "SMTPBackendStoppedServerTests.setUpClass": _SETTINGS,
    "SMTPBackendTests.test_connection_timeout_default": _SETTINGS,
    "SMTPBackendTests.test_create_from_mailers": _SETTINGS,
    "SMTPBackendTests.test_direct_construction_deprecated": "the backend may be made by hand, with the account as its option",
    "SMTPBackendTests.test_email_host_override_settings": _SETTINGS,
    "SMTPBackendTests.test_email_host_use_settings": _SETTINGS,
    "SMTPBackendTests.test_email_timeout_use_settings": _SETTINGS,
    "SMTPBackendTests.test_host_option_required": _SETTINGS,
    "SMTPBackendTests.test_ignores_settings_when_initialized_with_alias": _SETTINGS,
    "SMTPBackendTests.test_port_default_adapts_to_security": _SETTINGS,
    "SMTPBackendTests.test_prep_address_without_force_ascii": "a method of Django's class that is not documented",
    "SMTPBackendTests.test_rejects_non_ascii_local_part": "refused as ValueError in words of our own, which the test does not expect",
    "SMTPBackendTests.test_serialized_message_uses_crlf_line_ending": _CONNECTION,
    "SMTPBackendTests.test_smtp_connection_uses_host_and_port": _SETTINGS,
    "SMTPBackendTests.test_smtp_connection_uses_timeout": _SETTINGS,
    "SMTPBackendTests.test_ssl_context_uses_ssl_certfile_and_keyfile": _SETTINGS,
    "SMTPBackendTests.test_ssl_tls_settings_mutually_exclusive": _SETTINGS,
    "SMTPBackendTests.test_unknown_kwargs_ignored": "without MAILERS options are those of send_mail(auth_user=…), which is Django's own to warn of",
}

DIFFERENCES = BOTH | (ONLY_6_1 if django.VERSION >= (6, 1) else ONLY_5_2)
"""Those of the Django that is installed."""
