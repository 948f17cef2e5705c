from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("assessments", "0004_kept_as_signed"),
    ]

    operations = [
        migrations.AlterField(
            model_name="clearancemove",
            name="cause",
            field=models.CharField(
                choices=[
                    ("person", "somebody decided"),
                    ("packet", "the packet"),
                    ("new_block", "a new fact that stops a dose"),
                    ("ran_out", "its time ran out"),
                    ("merge", "two records were merged, or taken apart again"),
                ],
                max_length=10,
            ),
        ),
    ]
