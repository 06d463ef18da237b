from typing import Any

import django.db.models.functions.text
from django.db import migrations, models
from django.db.models.functions import Lower


def join_spellings(apps: Any, schema_editor: Any) -> None:
    """Keep one alias of those that differ in case alone; it may send if one of them may, as it was until now."""
    aliases = apps.get_model("mailconfig", "MailAlias").objects.using(schema_editor.connection.alias)
    kept: dict[tuple[int, str], Any] = {}
    for alias in aliases.annotate(address=Lower("email")).order_by("pk"):
        first = kept.setdefault((alias.mailbox_id, alias.address), alias)
        if first is alias:
            continue
        if alias.can_send and not first.can_send:
            first.can_send = True
            first.save(update_fields=["can_send"])
        alias.delete()


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0039_keys_of_accounts"),
    ]

    operations = [
        migrations.RunPython(join_spellings, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            model_name="mailalias",
            constraint=models.UniqueConstraint(
                models.F("mailbox"),
                django.db.models.functions.text.Lower("email"),
                name="mailconfig_alias_of_any_case_once",
                violation_error_message="The mailbox has this alias already.",
            ),
        ),
        migrations.RemoveConstraint(
            model_name="mailalias",
            name="mailconfig_alias_once",
        ),
    ]
