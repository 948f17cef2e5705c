"""Queries that are written once: each asking is about whom it names, and none is about nobody."""

import pytest
from django.db.models import QuerySet

from clinic.written import WHERE, WHO, Written
from patients.models import Patient
from tests.cast import Cast


def test_each_asking_is_about_whom_it_names(cast: Cast) -> None:
    written = []

    def write() -> QuerySet[Patient, tuple[object, ...]]:
        written.append("once")
        return Patient.objects.filter(pk=WHO, home_location=WHERE).values_list("pk", "mrn")

    query = Written(write)
    here, elsewhere = cast.pat.home_location_id, cast.sol.home_location_id
    assert query.rows(who=cast.pat.pk, where=here) == [(cast.pat.pk, cast.pat.mrn)]
    assert query.rows(who=cast.sol.pk, where=elsewhere) == [(cast.sol.pk, cast.sol.mrn)]
    assert query.rows(who=cast.pat.pk, where=elsewhere) == []
    assert written == ["once"]
    # Asked without saying where, it would find nobody anywhere and look like a patient with nothing on record.
    with pytest.raises(ValueError, match="more than it was given"):
        query.rows(who=cast.pat.pk)
