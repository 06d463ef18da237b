"""The permission to retry, release, hold and cancel gets a plain name; whoever had it keeps it."""

from typing import Any

from django.db import migrations

OLD, NEW = "steer_message", "manage_message"
SAID = "Can retry, release and cancel messages"


def rename(apps: Any, schema_editor: Any, old: str, new: str) -> None:
    """Give the permission its new name, unless there is one of that name already."""
    permissions = apps.get_model("auth", "Permission").objects.using(schema_editor.connection.alias)
    of_messages = permissions.filter(content_type__app_label="mailconfig", content_type__model="message")
    if not of_messages.filter(codename=new).exists():
        of_messages.filter(codename=old).update(codename=new)


def forwards(apps: Any, schema_editor: Any) -> None:
    rename(apps, schema_editor, OLD, NEW)


def backwards(apps: Any, schema_editor: Any) -> None:
    rename(apps, schema_editor, NEW, OLD)


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0016_failing_steps"),
        ("auth", "0001_initial"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="message",
            options={
                "base_manager_name": "objects",
                "permissions": [("view_content", "Can see what a message says"), ("manage_message", SAID)],
                "verbose_name": "message",
                "verbose_name_plural": "messages",
            },
        ),
        migrations.RunPython(forwards, backwards),
    ]
