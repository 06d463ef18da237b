"""Fills all tables that the admin shows, in SQL, out of one row of each kind that the ORM made."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from . import database

PATTERN = "pattern"
"""Name of the accounts that all others are copies of."""
LARGE = ("mailconfig_message", "mailconfig_recipient", "mailconfig_attempt", "mailconfig_body")
"""Tables with a row or more for each mail."""
KINDS = 4
"""Accounts of each tenant: one of each kind, as no tenant has two configurations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Number of rows of the two tables that all others depend on."""

    accounts: int
    messages: int


_TENANTS = """
    INSERT INTO mailconfig_tenant (slug, name, is_active)
    SELECT 'tenant-' || n, 'Tenant ' || n, true FROM generate_series(1, %(tenants)s) AS n
"""
_LANES = """
    INSERT INTO mailconfig_lane (account_id, purpose, worker, wait_reason, wait_text, last_error_code, last_error_text,
        strikes, failures, validated_at, wait_since)
    SELECT id, 'send', '', CASE WHEN id %% 50 = 0 THEN 'paused_login' WHEN id %% 31 = 0 THEN 'limit' ELSE '' END, '', '', '',
        0, 0, now() - interval '1 day', CASE WHEN id %% 50 = 0 OR id %% 31 = 0 THEN now() END
    FROM mailconfig_account
    ON CONFLICT DO NOTHING
"""
# A fifth of all mail is that of one account; the newest 5 % wait, some are held, and one in a hundred failed.
_MESSAGES = """
    INSERT INTO mailconfig_message
        (uuid, account_id, tenant_id, state, priority, not_before, envelope_from, subject, given_message_id, size, stored_as,
         eight_bit, attempts, internal_errors, wait_reason, error_code, error_text, content_digest, is_test,
         created_at, settled_at)
    SELECT gen_random_uuid(), account.id, account.tenant_id, state, 1, at, 'sender@example.com',
        'Your invoice number ' || n || ' of ' || to_char(at, 'Month YYYY'),
        CASE WHEN n %% 4 = 0 THEN '<' || md5(n::text) || '@mail.example.org>' END, 4000 + n %% 9000, '', false,
        CASE WHEN state = 'queued' THEN 0 ELSE 1 END, 0,
        CASE WHEN state = 'held' THEN 'held' ELSE '' END, CASE WHEN state = 'failed' THEN 'recipient_refused' ELSE '' END,
        CASE WHEN state = 'failed' THEN '550 5.1.1 no such user' ELSE '' END, '', false, at,
        CASE WHEN state IN ('sent', 'failed', 'cancelled') THEN at + interval '2 seconds' END
    FROM (SELECT n, at, accounts[CASE WHEN n %% 5 = 0 THEN 1 ELSE 1 + (n * 7919::bigint) %% cardinality(accounts) END] AS chosen,
            CASE WHEN n <= %(messages)s * 0.95 THEN
                CASE WHEN n %% 100 = 7 THEN 'failed' WHEN n %% 1000 = 8 THEN 'cancelled' ELSE 'sent' END
            WHEN n %% 20 = 3 THEN 'held' ELSE 'queued' END AS state
          FROM (SELECT n, now() - (%(messages)s - n) * interval '3 seconds' AS at
                FROM generate_series(1, %(messages)s) AS n) AS numbered,
               (SELECT array_agg(id ORDER BY id) AS accounts FROM mailconfig_account) AS listed) AS mail
    JOIN mailconfig_account AS account ON account.id = chosen
    ORDER BY n
"""
_RECIPIENTS = """
    INSERT INTO mailconfig_recipient (message_id, address, state, enhanced_code, reply_text)
    SELECT id, CASE WHEN id %% 3 = 0 THEN 'john.' ELSE 'mary.' END || substr(md5((id %% 300000)::text), 1, 9)
        || '@' || CASE WHEN id %% 2 = 0 THEN 'customer' ELSE 'partner' END || id %% 20000 || '.example.net', '', '', ''
    FROM mailconfig_message ORDER BY id
"""
_BODIES = """
    INSERT INTO mailconfig_body (message_id, octets)
    SELECT id, %(body)s FROM mailconfig_message WHERE state IN ('queued', 'held', 'failed')
"""
_ATTEMPTS = """
    INSERT INTO mailconfig_attempt (account_id, message_id, worker, recipients, stage, outcome, reply_code,
        enhanced_code, reply_text, started_at, handed_over_at, ended_at)
    SELECT account_id, id, 'worker:1', 1, 'dot', CASE WHEN state = 'failed' THEN 'refused' ELSE 'sent' END,
        CASE WHEN state = 'failed' THEN 550 ELSE 250 END, '2.0.0', 'Ok: queued', created_at, created_at, settled_at
    FROM mailconfig_message WHERE state IN ('sent', 'failed') ORDER BY id
"""
_SYNCED = """
    INSERT INTO mailconfig_syncedfolder (mailbox_id, name, uid_validity, highest_uid)
    SELECT account_ptr_id, 'INBOX', 1, 0 FROM mailconfig_mailbox
"""
_SYNCED_MESSAGES = """
    INSERT INTO mailconfig_syncedmessage (mailbox_id, folder_id, uid_validity, uid, kind, message_id, in_reply_to, "references",
        thread_id, from_address, from_name, "to", cc, subject, received_at, size, is_cut)
    SELECT folder.mailbox_id, folder.id, 1, n, 'mail', '<' || n || '@example.net>', '', '', '', 'carol' || n || '@example.net',
        'Carol', 'desk@example.com', '', 'Re: invoice ' || n, now() - n * interval '9 seconds', 2000, false
    FROM generate_series(1, %(messages)s / 10) AS n
    JOIN (SELECT *, row_number() OVER () AS place, count(*) OVER () AS number FROM mailconfig_syncedfolder) AS folder
        ON folder.place = 1 + n %% folder.number
"""
_BOUNCES = """
    INSERT INTO mailconfig_bounce (message_id, address, is_permanent, enhanced_code, text)
    SELECT message_id, address, true, '5.1.1', 'no such user' FROM mailconfig_recipient WHERE id %% 100 = 1
"""
_SUPPRESSIONS = """
    INSERT INTO mailconfig_suppression (tenant_id, address, reason)
    SELECT tenant.id, 'gone' || n || '@example.net', 'bounce' FROM generate_series(1, %(messages)s / 10) AS n
    JOIN (SELECT id, row_number() OVER () AS place, count(*) OVER () AS number FROM mailconfig_tenant) AS tenant
        ON tenant.place = 1 + n %% tenant.number
"""
_CHECKS = """
    INSERT INTO mailconfig_connectioncheck (uuid, kind, state, account_id, tenant_id, host, username, recipient, stage, code,
        guilty_field, message, hint, server_text, stages, finished_at)
    SELECT gen_random_uuid(), 'smtp', 'passed', id, tenant_id, host, username, '', '', '', '', '', '', '', '[]', now()
    FROM mailconfig_account
"""
# What the sweep counts: the last day, by account and in all.
_FIGURES = """
    INSERT INTO mailconfig_hourfigures (hour_at, account_id, sent, put_off, failed, waiting)
    SELECT date_trunc('hour', ended_at, 'UTC'), account_id, count(*) FILTER (WHERE outcome = 'sent'), 0,
        count(*) FILTER (WHERE outcome = 'refused'), 0
    FROM mailconfig_attempt WHERE ended_at >= date_trunc('hour', now() - interval '23 hours', 'UTC') GROUP BY 1, 2
"""
_TOTALS = """
    INSERT INTO mailconfig_hourtotals (hour_at, sent, put_off, failed, waiting)
    SELECT hour_at, sum(sent), 0, sum(failed), 0 FROM mailconfig_hourfigures GROUP BY 1
"""
_ALL = (
    _LANES, _MESSAGES, _RECIPIENTS, _BODIES, _ATTEMPTS, _SYNCED, _SYNCED_MESSAGES, _BOUNCES, _SUPPRESSIONS, _CHECKS,
    _FIGURES, _TOTALS,
)  # fmt: skip
_BODY = (
    b"Subject: Your invoice\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<p>Dear John</p>\r\n" * 4
)


def write(url: str, amount: Amount) -> float:
    """Write so many rows beside the patterns, then vacuum and analyse.

    Returns:
        How many seconds it took.
    """
    begun = time.monotonic()
    values = {"tenants": amount.accounts // KINDS + 1, "messages": amount.messages, "body": _BODY}
    with database.connect(url) as connection:
        # What is written refers to what is there, so no row is asked for it; and an index is made faster than it grows.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '256MB'")
        connection.execute(_TENANTS, values)
        _copy_accounts(connection, amount.accounts)
        indexes = _drop_indexes(connection)
        for statement in _ALL:
            connection.execute(statement, values)
        for definition in indexes:
            connection.execute(definition)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    return time.monotonic() - begun


def _drop_indexes(connection: psycopg.Connection[tuple[Any, ...]]) -> list[sql.SQL]:
    """Drop the indexes that no constraint needs, of the tables that get most rows, and return how they are made."""
    rows = connection.execute(
        "SELECT pg_get_indexdef(indexrelid), indexrelid::regclass::text FROM pg_index"
        " WHERE indrelid = ANY(%s::regclass[])"
        " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)",
        [list(LARGE)],
    ).fetchall()
    for _definition, name in rows:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    return [sql.SQL(definition) for definition, _name in rows]


def forget(url: str) -> None:
    """Empty all tables of the app, and what the patterns came with."""
    with database.connect(url) as connection:
        rows = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'mailconfig\\_%'"
        ).fetchall()
        names = sql.SQL(", ").join(sql.Identifier(name) for (name,) in rows)
        connection.execute(
            sql.SQL("TRUNCATE {}, auth_user, django_session, django_admin_log CASCADE").format(names)
        )


def _copy_accounts(connection: psycopg.Connection[tuple[Any, ...]], count: int) -> None:
    """Copy each pattern in turns, until there are so many accounts."""
    patterns = [
        row[0]
        for row in connection.execute(
            "SELECT id FROM mailconfig_account WHERE name = %s ORDER BY id", [PATTERN]
        )
    ]
    for place, pattern in enumerate(patterns):
        values = {"pattern": pattern, "place": place, "step": len(patterns), "count": count}
        own = {
            "id": "%(first)s + n",
            "uuid": "gen_random_uuid()",
            "name": "'Account ' || n",
            "from_email": "'desk' || n || '@example.com'",
            "username": "'desk' || n || '@example.com'",
            "is_default": "false",
            "tenant_id": f"(SELECT min(id) + 1 FROM mailconfig_tenant) + n / {KINDS}",  # noqa: S608
        }
        first = connection.execute("SELECT max(id) FROM mailconfig_account").fetchone()
        values["first"] = first[0] if first else 0
        for table, key in (("mailconfig_account", "id"), ("mailconfig_mailbox", "account_ptr_id")):
            columns = [
                row[0]
                for row in connection.execute(
                    "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                    [table],
                )
            ]
            names = ", ".join(f'"{name}"' for name in columns)
            shown = ", ".join(
                "%(first)s + n" if name == key else own.get(name, f'"{name}"') if key == "id" else f'"{name}"'
                for name in columns
            )
            connection.execute(
                f"INSERT INTO {table} ({names}) SELECT {shown} FROM {table},"  # noqa: S608
                f" generate_series(%(place)s + 1, %(count)s, %(step)s) AS n WHERE {key} = %(pattern)s",
                values,
            )
    connection.execute(
        "SELECT setval(pg_get_serial_sequence('mailconfig_account', 'id'), max(id)) FROM mailconfig_account"
    )
