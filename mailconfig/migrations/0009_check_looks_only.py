from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0008_tenant_name_is_a_line"),
    ]

    operations = [
        migrations.AddField(
            model_name="connectioncheck",
            name="looks_only",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
    ]
