"""A limit without a period never had an effect: it is taken away, so that the constraint can refuse it."""

from typing import Any

from django.db import migrations


def take_away(apps: Any, schema_editor: Any) -> None:
    """Leave the account as free as it was."""
    accounts = apps.get_model("mailconfig", "Account").objects.using(schema_editor.connection.alias)
    accounts.filter(limit_count__isnull=False, limit_period=None).update(limit_count=None)


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0024_message_id_index"),
    ]

    operations = [
        migrations.RunPython(take_away, migrations.RunPython.noop),
    ]
