from typing import Any

import django.db.models.deletion
import mailconfig.models.deleting
from django.conf import settings
from django.db import migrations, models


def let_go_of_kind(apps: Any, schema_editor: Any) -> None:
    """On the way back: the older constraint allows no configuration without a tenant, not even a deleted one."""
    accounts = apps.get_model("mailconfig", "Account").objects.using(schema_editor.connection.alias)
    accounts.filter(kind="tenant_config", tenant=None).update(kind="smtp_provider")


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0009_check_looks_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="account",
            name="mailconfig_tenant_config_has_tenant",
        ),
        migrations.RunPython(migrations.RunPython.noop, let_go_of_kind, elidable=True),
        migrations.AlterField(
            model_name="account",
            name="owner",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=mailconfig.models.deleting.protect_unless_deleted,
                related_name="mail_accounts",
                to=settings.AUTH_USER_MODEL,
                verbose_name="owner",
            ),
        ),
        migrations.AlterField(
            model_name="account",
            name="tenant",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=mailconfig.models.deleting.protect_unless_deleted,
                related_name="accounts",
                to="mailconfig.tenant",
                verbose_name="tenant",
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="tenant",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="mailconfig.tenant",
                verbose_name="tenant",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "tenant_config"), _negated=True),
                    ("tenant__isnull", False),
                    ("deleted_at__isnull", False),
                    _connector="OR",
                ),
                name="mailconfig_tenant_config_has_tenant",
            ),
        ),
    ]
