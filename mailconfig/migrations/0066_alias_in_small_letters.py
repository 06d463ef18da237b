from typing import Any

from django.db import migrations, models

import mailconfig.models.small_letters


def join_spellings(apps: Any, schema_editor: Any) -> None:
    """Keep one alias of those that differ in case alone, which a database in Turkish took for two addresses."""
    aliases = apps.get_model("mailconfig", "MailAlias").objects.using(schema_editor.connection.alias)
    kept: dict[tuple[int, str], Any] = {}
    for alias in aliases.order_by("pk"):
        first = kept.setdefault((alias.mailbox_id, alias.email.lower()), alias)
        if first is alias:
            continue
        if alias.can_send and not first.can_send:
            first.can_send = True
            first.save(update_fields=["can_send"])
        alias.delete()


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0065_set_secret_and_send_test_mail"),
    ]

    operations = [
        migrations.RunPython(join_spellings, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            model_name="mailalias",
            constraint=models.UniqueConstraint(
                models.F("mailbox"),
                mailconfig.models.small_letters.SmallLetters("email"),
                name="mailconfig_alias_in_small_letters_once",
                violation_error_message="The mailbox has this alias already.",
            ),
        ),
        migrations.RemoveConstraint(
            model_name="mailalias",
            name="mailconfig_alias_of_any_case_once",
        ),
    ]
