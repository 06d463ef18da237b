"""An account may name another one that sends its mail, which remembers whose it is."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0037_oauth2_logins"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="failover",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="Sends the mail of this account while this one cannot.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="fails_over",
                to="mailconfig.account",
                verbose_name="fails over to",
            ),
        ),
        migrations.AddField(
            model_name="lane",
            name="no_failover_text",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
        migrations.AddField(
            model_name="lane",
            name="no_failover_until",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="message",
            name="failed_over_because",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                max_length=24,
                verbose_name="fails over because",
            ),
        ),
        migrations.AddField(
            model_name="message",
            name="failed_over_from",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="mailconfig.account",
                verbose_name="queued for",
            ),
        ),
        migrations.AddIndex(
            model_name="account",
            index=models.Index(
                condition=models.Q(("failover__isnull", False)),
                fields=["failover"],
                name="mailconfig_account_failover",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("failed_over_from__isnull", False), ("state", "queued")),
                fields=["account", "failed_over_from"],
                name="mailconfig_message_over",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("failed_over_from__isnull", False)),
                fields=["failed_over_from", "id"],
                name="mailconfig_message_over_from",
            ),
        ),
    ]
