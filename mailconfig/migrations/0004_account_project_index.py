"""So that what names no account is found without reading every one. Accounts are few: the lock is short."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0003_account_serves_project"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="account",
            index=models.Index(
                condition=models.Q(("serves_project", True)), fields=["id"], name="mailconfig_account_project"
            ),
        ),
    ]
