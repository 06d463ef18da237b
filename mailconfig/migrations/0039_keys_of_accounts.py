"""An idempotency key means one mail of the account that it was queued for, whichever account sends it."""

import django.db.models.functions.comparison
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0038_failover"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="message",
            constraint=models.UniqueConstraint(
                django.db.models.functions.comparison.Coalesce(
                    models.F("failed_over_from"), models.F("account")
                ),
                models.F("idempotency_key"),
                condition=models.Q(("idempotency_key__isnull", False)),
                name="mailconfig_message_idempotent_at_home",
            ),
        ),
    ]
