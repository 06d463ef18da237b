from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0020_bodies_and_hand_overs"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="attempt",
            name="mailconfig_attempt_ended_with_outcome",
        ),
        migrations.RemoveIndex(
            model_name="attempt",
            name="mailconfig_attempt_open",
        ),
        migrations.RemoveIndex(
            model_name="message",
            name="mailconfig_message_open",
        ),
        migrations.RemoveField(
            model_name="attempt",
            name="lease_token",
        ),
        migrations.RemoveField(
            model_name="message",
            name="body",
        ),
        migrations.RemoveField(
            model_name="message",
            name="handed_over_at",
        ),
        migrations.AlterField(
            model_name="attempt",
            name="ended_at",
            field=models.DateTimeField(verbose_name="ended"),
        ),
        migrations.AlterField(
            model_name="attempt",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("sent", "accepted"),
                    ("partial", "accepted for some"),
                    ("deferred", "try again later"),
                    ("refused", "refused"),
                    ("lost", "connection lost before the end"),
                    ("unknown", "not known whether accepted"),
                ],
                max_length=8,
                verbose_name="outcome",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("state__in", ["held", "preparing"])),
                fields=["state", "account"],
                name="mailconfig_message_open",
            ),
        ),
    ]
