from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mailconfig", "0002_check_revision"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="account",
            options={
                "ordering": ["name", "id"],
                "permissions": [
                    ("test_account", "Can test an account's connection and send a test mail"),
                    ("choose_project_accounts", "Can choose the accounts that send the project's own mail"),
                ],
                "verbose_name": "account",
                "verbose_name_plural": "accounts",
            },
        ),
        migrations.AddField(
            model_name="account",
            name="serves_project",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Sends the project's own mail for its address and domain: password resets, errors to admins.",
                verbose_name="sends for the project",
            ),
        ),
        migrations.AlterField(
            model_name="account",
            name="is_default",
            field=models.BooleanField(
                default=False,
                help_text="Takes what the project sends without naming an account. Such an account sends for the project.",
                verbose_name="default account",
            ),
        ),
    ]
