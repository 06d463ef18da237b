"""Sent mail writes no index that its retention or a count of failures alone reads; the newest of an account are read backwards."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0026_limit_needs_period"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="attempt",
            name="mailconfig_attempt_ended",
        ),
        migrations.RemoveIndex(
            model_name="message",
            name="mailconfig_message_account",
        ),
        migrations.RemoveIndex(
            model_name="message",
            name="mailconfig_message_settled",
        ),
        migrations.AlterField(
            model_name="attempt",
            name="account",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="attempts",
                to="mailconfig.account",
            ),
        ),
        migrations.AlterField(
            model_name="attempt",
            name="message",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="attempt_set",
                to="mailconfig.message",
            ),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(
                condition=models.Q(("message__isnull", False)),
                fields=["message"],
                name="mailconfig_attempt_message",
            ),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(
                condition=models.Q(("message__isnull", True)),
                fields=["ended_at"],
                name="mailconfig_attempt_orphan",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["account", "id"], name="mailconfig_message_account"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("state", "failed")),
                fields=["settled_at"],
                name="mailconfig_message_failed",
            ),
        ),
    ]
