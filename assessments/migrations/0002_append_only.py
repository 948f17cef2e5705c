"""Answers, scores, health facts and what was decided about a danger stay as they were written.

Plain triggers behind the rights of the application's role (clinic/grants.py), as for the audit: docs/decisions/0001.
"""

from django.db import migrations

TABLES = (
    "allergy", "assessmentresponse", "clearancemove", "condition", "contactattempt", "diagnosis", "disposition",
    "familyhistory", "healthstatement", "measurement", "medication", "safetyplan", "score", "treatmenttrial",
)  # fmt: skip
CREATE = "".join(
    f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON assessments_{table} "
    "FOR EACH ROW EXECUTE FUNCTION refuse_change();\n"
    for table in TABLES
)
DROP = "".join(f"DROP TRIGGER {table}_append_only ON assessments_{table};\n" for table in TABLES)


class Migration(migrations.Migration):
    dependencies = [("assessments", "0001_initial"), ("clinic", "0002_append_only")]
    operations = [migrations.RunSQL(CREATE, DROP)]
