import mailconfig.models.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0007_refused_user_names"),
    ]

    operations = [
        migrations.AlterField(
            model_name="tenant",
            name="name",
            field=models.CharField(
                max_length=255, validators=[mailconfig.models.validators.validate_line], verbose_name="name"
            ),
        ),
    ]
