"""A Message-ID that follows from uuid and envelope sender is not kept, and in no index."""

from typing import Any

from django.db import migrations, models

CHUNK = 1000


def write_out(apps: Any, schema_editor: Any) -> None:
    """Write out each Message-ID that was not kept."""
    messages = apps.get_model("mailconfig", "Message").objects.using(schema_editor.connection.alias)
    unwritten = messages.filter(given_message_id=None).only("uuid", "envelope_from").order_by("pk")
    last = 0
    while chunk := list(unwritten.filter(pk__gt=last)[:CHUNK]):
        last = chunk[-1].pk
        for message in chunk:
            domain = message.envelope_from.rpartition("@")[2]
            message.given_message_id = f"<{message.uuid.hex}@{domain}>"
        messages.bulk_update(chunk, ["given_message_id"])


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0027_lighter_indexes"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="message",
            name="mailconfig_message_message_id",
        ),
        migrations.RenameField(
            model_name="message",
            old_name="message_id",
            new_name="given_message_id",
        ),
        migrations.AlterField(
            model_name="message",
            name="given_message_id",
            field=models.CharField(
                blank=True, editable=False, max_length=255, null=True, verbose_name="Message-ID"
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, write_out),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("given_message_id__isnull", False)),
                fields=["given_message_id"],
                name="mailconfig_message_given_id",
            ),
        ),
    ]
