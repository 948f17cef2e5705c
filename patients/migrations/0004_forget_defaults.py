"""What was a default becomes "not asked".

Every form showed "English" and an empty box for the interpreter, so those two say nothing about what somebody was asked.
Another language, and a yes, were chosen by a person and stay; so does "English" or a no that somebody went back to, which
the history of the record tells. The version rises, so that whoever has the record open is told. In a migration of its own:
a table whose rows were changed cannot be altered before the transaction ends. There is no way back: the history is
append-only, and where it says "not asked" it cannot be made to say no.
"""

from django.db import migrations

FORGET = """
WITH unasked AS (
    SELECT p.id,
        p.language = 'en' AND NOT EXISTS (
            SELECT FROM patients_patientevent e WHERE e.pgh_obj_id = p.id AND e.language <> 'en') AS language,
        p.needs_interpreter = false AND NOT EXISTS (
            SELECT FROM patients_patientevent e WHERE e.pgh_obj_id = p.id AND e.needs_interpreter) AS interpreter
    FROM patients_patient p
)
UPDATE patients_patient p SET
    language = CASE WHEN u.language THEN '' ELSE p.language END,
    needs_interpreter = CASE WHEN u.interpreter THEN NULL ELSE p.needs_interpreter END,
    version = p.version + 1
FROM unasked u WHERE u.id = p.id AND (u.language OR u.interpreter);
"""


class Migration(migrations.Migration):
    dependencies = [("patients", "0003_not_asked")]
    operations = [migrations.RunSQL(FORGET)]
