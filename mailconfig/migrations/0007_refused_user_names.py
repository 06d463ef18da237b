from typing import Any

from django.db import migrations


def forget(apps: Any, schema_editor: Any) -> None:
    """Some of them are passwords that were typed into the wrong field."""
    checks = apps.get_model("mailconfig", "ConnectionCheck").objects.using(schema_editor.connection.alias)
    checks.exclude(state="passed").exclude(username="").update(username="")


class Migration(migrations.Migration):
    """Forget the user names of checks that did not pass."""

    dependencies = [
        ("mailconfig", "0006_check_login"),
    ]

    operations = [
        migrations.RunPython(forget, migrations.RunPython.noop),
    ]
