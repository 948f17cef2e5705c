"""Answers, scores, health facts and what was decided about a danger stay as they were written; a clearance moves as it may.

Plain triggers behind the rights of the application's role (clinic/grants.py), as for the audit: docs/decisions/0001. The moves
are those of Clearance.MOVES (docs/decisions/0027); a test compares the two.
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

FROM_REVIEW = (
    "cleared", "cleared_with_conditions", "more_info_requested", "medical_clearance_pending", "deferred", "declined", "referred_out",
)  # fmt: skip
MOVES = {
    "invited": ("packet_in_progress", "packet_submitted", "clinician_review"),
    "packet_in_progress": ("packet_submitted", "clinician_review"),
    "packet_submitted": ("clinician_review",),
    "clinician_review": FROM_REVIEW,
    "more_info_requested": ("packet_submitted", "clinician_review"),
    "medical_clearance_pending": ("clinician_review",),
    "deferred": ("clinician_review",),
    "cleared": ("suspended", "expired"),
    "cleared_with_conditions": ("suspended", "expired"),
    "suspended": ("clinician_review", "expired"),
}
EDGES = ", ".join(f"('{a}', '{b}')" for a, ways in MOVES.items() for b in (*ways, "withdrawn_by_patient"))
CREATE_MOVES = f"""
CREATE FUNCTION refuse_clearance_move() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF (OLD.status, NEW.status) NOT IN ({EDGES}) THEN
        RAISE EXCEPTION 'A clearance does not go from % to %.', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'clearance_moves_as_it_may';
    END IF;
    RETURN NEW;
END $body$;
CREATE TRIGGER clearance_moves_as_it_may BEFORE UPDATE ON assessments_clearance
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION refuse_clearance_move();
"""
DROP_MOVES = "DROP TRIGGER clearance_moves_as_it_may ON assessments_clearance; DROP FUNCTION refuse_clearance_move();"


class Migration(migrations.Migration):
    dependencies = [("assessments", "0001_initial"), ("clinic", "0002_append_only")]
    operations = [migrations.RunSQL(CREATE, DROP), migrations.RunSQL(CREATE_MOVES, DROP_MOVES)]
