"""Fields of an account by what they are about. Who needs such a list derives it from these."""

from __future__ import annotations

from .account_destination import SECRET_COLUMNS, SecretName, fields_of, fields_of_server

DESTINATION = fields_of(SecretName.SMTP)
"""Where the password goes."""
CONNECTION = tuple(name for name in DESTINATION if name != "send_method")
"""How it connects and as whom, in the order of a form."""
OF_SERVER = tuple(name for name in fields_of_server(SecretName.SMTP) if name != "send_method")
"""What an override shows of the system account."""
SENDERS = ("from_email", "envelope_from")
"""The addresses that a server may refuse in MAIL FROM."""
NAMES = ("name", "reply_to_email")
"""By what code of the project finds it, and where answers go."""
HOLDER = ("owner_id", "tenant_id")
"""For whom the password was entered."""
MARKS = ("serves_project", "is_default")
"""What says that it sends for the project."""
PROVED = frozenset({"scope", *CONNECTION, SECRET_COLUMNS[SecretName.SMTP], *SENDERS})
"""What a proof of the connection depends on."""
