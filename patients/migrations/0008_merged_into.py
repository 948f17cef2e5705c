import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinic", "0005_append_only"),
        ("patients", "0007_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="patient",
            name="merged_into",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="patients.patient",
            ),
        ),
        migrations.AlterField(
            model_name="patient",
            name="portal_suspension",
            field=models.CharField(
                blank=True,
                choices=[
                    ("lost_address", "no longer reads that address"),
                    ("shared_address", "somebody else reads that address"),
                    ("misuse", "somebody else got in"),
                    ("asked", "asked for it to be closed"),
                    ("deceased", "has died"),
                    ("merged", "the record was merged into another"),
                ],
                max_length=14,
                verbose_name="why the portal is closed",
            ),
        ),
        migrations.AlterField(
            model_name="patientevent",
            name="portal_suspension",
            field=models.CharField(
                blank=True,
                choices=[
                    ("lost_address", "no longer reads that address"),
                    ("shared_address", "somebody else reads that address"),
                    ("misuse", "somebody else got in"),
                    ("asked", "asked for it to be closed"),
                    ("deceased", "has died"),
                    ("merged", "the record was merged into another"),
                ],
                max_length=14,
                verbose_name="why the portal is closed",
            ),
        ),
        migrations.AddIndex(
            model_name="patient",
            index=models.Index(
                condition=models.Q(("merged_into__isnull", False)), fields=["merged_into"], name="patient_merged_into"
            ),
        ),
        migrations.AddConstraint(
            model_name="patient",
            constraint=models.CheckConstraint(
                condition=models.Q(("merged_into", models.F("id")), _negated=True),
                name="patient_not_merged_into_itself",
            ),
        ),
        migrations.AddConstraint(
            model_name="patient",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("merged_into", None),
                    ("portal_user", None),
                    ("portal_suspended_at__isnull", False),
                    _connector="OR",
                ),
                name="merged_has_no_open_portal",
            ),
        ),
    ]
