import hashlib
import secrets
from typing import Any

from django.db import migrations


def make_addresses(apps: Any, schema_editor: Any) -> None:
    """Give each account that was stored with SendGrid as its way to send an address at which SendGrid can report."""
    alias = schema_editor.connection.alias
    accounts = apps.get_model('mailconfig', 'Account').objects.using(alias)
    webhooks = apps.get_model('mailconfig', 'EventWebhook').objects.using(alias)
    rows = accounts.filter(send_method='sendgrid', deleted_at=None)
    for key in list(rows.order_by('pk').values_list('pk', flat=True)):
        token = secrets.token_urlsafe(32)
        digest = hashlib.sha256(token.encode()).hexdigest()
        webhooks.get_or_create(
            account_id=key, service='sendgrid', defaults={'token': token, 'token_digest': digest}
        )


class Migration(migrations.Migration):

    dependencies = [
        ('mailconfig', '0051_event_webhooks'),
    ]

    operations = [
        migrations.RunPython(make_addresses, migrations.RunPython.noop, elidable=True),
    ]
