import mailconfig.models.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('mailconfig', '0005_mark_accounts_of_administrators'),
    ]

    operations = [
        migrations.AlterField(
            model_name='tenant',
            name='name',
            field=models.CharField(max_length=255, validators=[mailconfig.models.validators.validate_line], verbose_name='name'),
        ),
    ]
