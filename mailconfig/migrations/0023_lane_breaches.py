from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0022_workers"),
    ]

    operations = [
        migrations.AddField(
            model_name="lane",
            name="breaches",
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
