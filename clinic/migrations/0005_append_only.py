"""Signatures and calls stay as they were written; an approved policy and its limits do as well."""

from django.db import migrations

CREATE = """
CREATE TRIGGER signature_append_only BEFORE UPDATE OR DELETE ON clinic_signature
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER page_call_append_only BEFORE UPDATE OR DELETE ON clinic_pagecall
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER policy_approved_stays BEFORE UPDATE OR DELETE ON clinic_policyversion
    FOR EACH ROW WHEN (OLD.approved_at IS NOT NULL) EXECUTE FUNCTION refuse_change();
"""
DROP = """
DROP TRIGGER signature_append_only ON clinic_signature;
DROP TRIGGER page_call_append_only ON clinic_pagecall;
DROP TRIGGER policy_approved_stays ON clinic_policyversion;
"""


class Migration(migrations.Migration):
    dependencies = [("clinic", "0004_signatures_rota_pages")]
    operations = [migrations.RunSQL(CREATE, DROP)]
