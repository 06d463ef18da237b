"""A message may name the one whose content it sends once more; who may do that has a permission for it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0058_pause_by_person"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="message",
            options={
                "base_manager_name": "objects",
                "permissions": [
                    ("view_content", "Can see what a message says"),
                    ("manage_message", "Can retry, release and cancel messages"),
                    ("resend_message", "Can send a message again that was sent"),
                ],
                "verbose_name": "message",
                "verbose_name_plural": "messages",
            },
        ),
        migrations.AddField(
            model_name="message",
            name="resent_of",
            field=models.UUIDField(editable=False, null=True),
        ),
    ]
