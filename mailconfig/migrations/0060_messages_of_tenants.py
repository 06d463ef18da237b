"""The newest mail of a tenant, and what was sent once more, are found among millions; made while mail goes on."""

from django.db import migrations, models

from mailconfig.migrations._gentle_indexes import AddIndexGently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("mailconfig", "0059_resent_messages"),
    ]

    operations = [
        AddIndexGently(
            model_name="message",
            index=models.Index(
                condition=models.Q(("tenant__isnull", False)),
                fields=["tenant", "id"],
                name="mailconfig_message_tenant",
            ),
        ),
        AddIndexGently(
            model_name="message",
            index=models.Index(
                condition=models.Q(("resent_of__isnull", False)),
                fields=["resent_of"],
                name="mailconfig_message_resent",
            ),
        ),
    ]
