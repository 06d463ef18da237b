from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Count logins by a hash that all spellings share."""

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("mailconfig", "0005_mark_accounts_of_administrators"),
    ]

    operations = [
        migrations.AddField(
            model_name="connectioncheck",
            name="login",
            field=models.CharField(blank=True, db_default="", editable=False, max_length=64),
        ),
        migrations.RemoveIndex(
            model_name="connectioncheck",
            name="mailconfig_check_throttle",
        ),
        migrations.AddIndex(
            model_name="connectioncheck",
            index=models.Index(fields=["requested_by", "created_at"], name="mailconfig_check_person"),
        ),
        migrations.AddIndex(
            model_name="connectioncheck",
            index=models.Index(fields=["login", "created_at"], name="mailconfig_check_login"),
        ),
    ]
