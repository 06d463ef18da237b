"""Fills the tables with mail of the past and mail that waits, in SQL."""

from __future__ import annotations

from . import database, mails

_MESSAGES = """
    INSERT INTO mailconfig_message
        (uuid, account_id, state, priority, not_before, envelope_from, subject, given_message_id, size, stored_as,
         eight_bit, attempts, internal_errors, wait_reason, error_code, error_text, content_digest, is_test,
         created_at, settled_at)
    SELECT gen_random_uuid(), %(account)s, %(state)s::text, 1, at, %(sender)s, 'Mail number ' || n,
        '<' || n || '@example.com>', %(size)s, '', false, %(attempts)s, 0, '', '', '', '', false, at,
        CASE WHEN %(state)s::text = 'sent' THEN at END
    FROM (SELECT n, now() - %(age)s::interval - n * interval '1 second' AS at
          FROM generate_series(1, %(count)s) AS n) AS numbered
"""
_BODIES = """
    INSERT INTO mailconfig_body (message_id, octets)
    SELECT id, %(body)s FROM mailconfig_message AS message WHERE state = 'queued'
    AND NOT EXISTS (SELECT FROM mailconfig_body WHERE message_id = message.id)
"""
_RECIPIENTS = """
    INSERT INTO mailconfig_recipient (message_id, address, state, enhanced_code, reply_text)
    SELECT id, 'to' || id || '@example.net', '', '', '' FROM mailconfig_message AS message
    WHERE NOT EXISTS (SELECT FROM mailconfig_recipient WHERE message_id = message.id)
"""
_ATTEMPTS = """
    INSERT INTO mailconfig_attempt (account_id, message_id, worker, recipients, stage, outcome, reply_code,
        enhanced_code, reply_text, started_at, handed_over_at, ended_at)
    SELECT account_id, id, 'worker', 1, 'dot', 'sent', 250, '2.0.0', 'Ok', settled_at, settled_at, settled_at
    FROM mailconfig_message AS message WHERE state = 'sent'
    AND NOT EXISTS (SELECT FROM mailconfig_attempt WHERE message_id = message.id)
"""


def write(url: str, *, account: int, sent: int, waiting: int) -> None:
    """Add so many sent mails with their attempts and so many that are due, then vacuum and analyse."""
    common = {"account": account, "sender": mails.SENDER}
    body = f"Subject: Mail\r\n\r\n{mails.TEXT}".replace("\n", "\r\n").encode()
    with database.connect(url) as connection:
        if sent:
            connection.execute(
                _MESSAGES,
                common
                | {
                    "state": "sent",
                    "count": sent,
                    "age": "1 day",
                    "size": len(body),
                    "attempts": 1,
                },
            )
        if waiting:
            connection.execute(
                _MESSAGES,
                common
                | {
                    "state": "queued",
                    "count": waiting,
                    "age": "1 hour",
                    "size": len(body),
                    "attempts": 0,
                },
            )
        connection.execute(_BODIES, {"body": body})
        connection.execute(_RECIPIENTS)
        connection.execute(_ATTEMPTS)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
