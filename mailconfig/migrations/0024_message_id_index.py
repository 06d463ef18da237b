"""So that a mail is found by its Message-ID without reading every one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0023_lane_breaches"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["message_id"], name="mailconfig_message_message_id"),
        ),
    ]
