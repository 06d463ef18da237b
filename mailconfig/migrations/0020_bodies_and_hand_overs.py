from typing import Any

import django.db.models.deletion
from django.db import migrations, models

FORWARDS = (
    "INSERT INTO mailconfig_body (message_id, octets) SELECT id, body FROM mailconfig_message WHERE body IS NOT NULL",
    """
    INSERT INTO mailconfig_handover (message_id, account_id, lease_token, worker, recipients, started_at, handed_over_at)
    SELECT message_id, account_id, lease_token, worker, recipients, started_at, handed_over_at FROM mailconfig_attempt
     WHERE id IN (SELECT max(id) FROM mailconfig_attempt WHERE outcome = '' AND message_id IS NOT NULL
                     AND handed_over_at IS NOT NULL GROUP BY message_id)
    """,
    """
    DELETE FROM mailconfig_attempt WHERE outcome = '' AND message_id IN (SELECT message_id FROM mailconfig_handover)
    """,
    "UPDATE mailconfig_attempt SET outcome = 'unknown', ended_at = COALESCE(handed_over_at, started_at) WHERE outcome = ''",
    """
    UPDATE mailconfig_message SET state = 'held', wait_reason = 'maybe_sent'
     WHERE state = 'handing_over' AND id NOT IN (SELECT message_id FROM mailconfig_handover)
    """,
    "UPDATE mailconfig_message SET state = 'queued' WHERE state = 'handing_over'",
)
BACKWARDS = (
    """
    UPDATE mailconfig_message SET body = (SELECT octets FROM mailconfig_body WHERE message_id = mailconfig_message.id)
     WHERE id IN (SELECT message_id FROM mailconfig_body)
    """,
    """
    UPDATE mailconfig_message SET state = 'handing_over', handed_over_at =
           (SELECT handed_over_at FROM mailconfig_handover WHERE message_id = mailconfig_message.id)
     WHERE id IN (SELECT message_id FROM mailconfig_handover)
    """,
    """
    INSERT INTO mailconfig_attempt (account_id, message_id, lease_token, worker, recipients, stage, outcome,
                                    enhanced_code, reply_text, started_at, handed_over_at)
    SELECT account_id, message_id, lease_token, worker, recipients, '', '', '', '', started_at, handed_over_at
      FROM mailconfig_handover
    """,
)


def set_apart(apps: Any, schema_editor: Any) -> None:
    """Bytes, and hand-overs under way, get rows of their own."""
    for statement in FORWARDS:
        schema_editor.execute(statement)


def put_together(apps: Any, schema_editor: Any) -> None:
    for statement in BACKWARDS:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0019_tallies"),
    ]

    operations = [
        migrations.CreateModel(
            name="Body",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="mailconfig.message",
                    ),
                ),
                ("octets", models.BinaryField()),
            ],
            options={
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.CreateModel(
            name="HandOver",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="hand_over",
                        serialize=False,
                        to="mailconfig.message",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="mailconfig.account",
                    ),
                ),
                ("lease_token", models.UUIDField(null=True)),
                ("worker", models.CharField(blank=True, max_length=128)),
                ("recipients", models.IntegerField(default=1)),
                ("started_at", models.DateTimeField()),
                ("handed_over_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
                "base_manager_name": "objects",
            },
        ),
        migrations.RunPython(set_apart, put_together),
    ]
