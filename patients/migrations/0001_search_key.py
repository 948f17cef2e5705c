"""The function behind Patient.search_key, names as people type them, and the counter behind Patient.mrn.

``unaccent`` is only STABLE because its dictionary might be swapped; an index needs IMMUTABLE, and ours is not swapped.
Apostrophes go ("O'Brien" is found by "obrien"), hyphens become spaces ("Ana-Maria" by "maria").
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION patient_search_key(family text, given text, middle text, chosen text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT regexp_replace(
        translate(lower(public.unaccent('public.unaccent', concat_ws(' ', family, given, middle, chosen))), '-''’‘`', ' '),
        '\\s+', ' ', 'g')
$$;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("clinic", "0001_initial")]
    operations = [
        migrations.RunSQL(CREATE, "DROP FUNCTION patient_search_key(text, text, text, text);"),
        # Five digits from the first: a record number that looks like one, and says nothing about how many there are.
        migrations.RunSQL("CREATE SEQUENCE patient_mrn START 10001;", "DROP SEQUENCE patient_mrn;"),
    ]
