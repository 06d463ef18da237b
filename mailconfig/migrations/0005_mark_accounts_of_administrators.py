"""What sends for the project today and is surely an administrator's goes on; all else waits to be marked.

That is the default account, and what superusers alone made and changed, for no owner and no tenant. Whoever else made
one may have named an address in it that is not theirs.
"""

from typing import Any

from django.conf import settings
from django.core.exceptions import FieldDoesNotExist
from django.db import migrations
from django.db.models import Q


def mark(apps: Any, schema_editor: Any) -> None:
    """Mark the accounts that may go on."""
    accounts = apps.get_model("mailconfig", "Account").objects.using(schema_editor.connection.alias)
    of_administrators = Q(is_default=True)
    try:
        apps.get_model(settings.AUTH_USER_MODEL)._meta.get_field("is_superuser")
    except FieldDoesNotExist:
        pass
    else:
        of_administrators |= Q(
            owner=None, tenant=None, created_by__is_superuser=True, updated_by__is_superuser=True
        )
    accounts.filter(of_administrators, deleted_at=None).update(serves_project=True)


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0004_account_project_index"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(mark, migrations.RunPython.noop, elidable=True),
    ]
