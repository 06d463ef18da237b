"""The column keeps its name in the database, so that processes of the release before go on writing it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0015_storage_away"),
    ]

    operations = [
        migrations.AlterField(
            model_name="installation",
            name="troubles",
            field=models.TextField(
                blank=True, db_column="troubles", db_default="", default="", editable=False
            ),
        ),
        migrations.RenameField(
            model_name="installation",
            old_name="troubles",
            new_name="failing_steps",
        ),
    ]
