"""A permission to see what belongs to any tenant, besides one's own."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('mailconfig', '0055_figures_of_hours'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='tenant',
            options={'base_manager_name': 'objects', 'ordering': ['name'], 'permissions': [('see_all_tenants', 'Can see what belongs to any tenant, or to none')], 'verbose_name': 'tenant', 'verbose_name_plural': 'tenants'},
        ),
    ]
