"""Two records of one person become one and are taken apart again; wrong merges are refused."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from assessments.actions import flags
from assessments.models import Allergy, ClearanceMove, Screening
from clinic import grants
from clinic.models import AuditEvent, WorkItem
from patients.actions import patients, preferences
from patients.models import (
    AddressChange,
    CareTeamMember,
    ContactPreference,
    LifeState,
    MergedAway,
    Patient,
    Referral,
    ReferringClinician,
)
from sessions import merging
from sessions.actions import attendance, merges
from sessions.models import Appointment, Merge, ResourceHold, WaitlistEntry
from tests import factories as make
from tests.assessments.packets import packet_of
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn
from tests.sessions.booking import at, book

DAY = timedelta(days=1)


@pytest.fixture
def twin(cast: Cast) -> Patient:
    """Pat, registered a second time."""
    return make.make_patient(cast.denver, "Patricia", "Moreau", birth_date=cast.pat.birth_date, email="p@post.example")


def do(cast: Cast, twin: Patient, now: datetime, survivor: Patient | None = None, **changed: Any) -> Merge:
    stays = survivor or cast.pat
    goes = twin if stays.pk == cast.pat.pk else cast.pat
    fresh = {one.pk: Patient.objects.get(pk=one.pk) for one in (stays, goes)}
    identity = replace(patients.identity_of(patient=fresh[stays.pk]), **changed)
    seen = {pk: one.version for pk, one in fresh.items()}
    return merges.merge(
        by=cast.ada, survivor=stays, loser=goes, identity=identity, seen=seen, reason="A passport.", now=now
    )


def over(cast: Cast, patient: Patient, starts_at: datetime, **fields: Any) -> Appointment:
    values = {"status": "completed", "finished_at": starts_at + timedelta(hours=1), **fields}
    return make.make_appointment(patient, cast.intake, cast.dana, starts_at, **values)


def refusal(cast: Cast, twin: Patient, now: datetime, survivor: Patient | None = None) -> str:
    with pytest.raises(merges.CannotMerge) as said, transaction.atomic():
        do(cast, twin, now, survivor)
    assert not Merge.objects.exists()
    return str(said.value)


def test_every_column_that_points_at_a_patient_is_thought_of() -> None:
    """Whoever adds a table that points at a patient says here what a merge makes of it. Until then it is held."""
    found = {one.key for one in merging.pointers()}
    assert found >= merging.MOVED | merging.STAYS
    assert not merging.MOVED & merging.STAYS
    held = {one.key for one in merging.pointers() if one.holds}
    assert held == found - merging.MOVED - merging.STAYS
    # Nothing that is signed, answered or decided ever moves: those rows are append-only, or say what was decided about one record.
    assert {key for key in found if key.startswith("assessments.")} <= held
    assert "patients.Consent.patient" in held
    fixed = set(grants.append_only_tables())
    assert not [one.key for one in merging.pointers() if one.moves and one.model._meta.db_table in fixed]


def test_what_may_move_moves_and_goes_back_exactly(cast: Cast, twin: Patient, now: datetime) -> None:
    contact = make.make_contact(twin)
    asked = make.make_preference(twin, cast.frida, "follow_up", "email")
    same = make.make_preference(twin, cast.frida, "visit", "email")
    referral = make.make_referral(cast.denver, "Patricia", patient=twin)
    visit = over(cast, twin, now - 3 * DAY)
    hold = ResourceHold.objects.get(appointment=visit, kind="patient")
    sent_by = ReferringClinician.objects.create(patient=twin, name="Dr. Okafor")
    make.make_care_team_member(twin, cast.nils)
    before = Patient.objects.get(pk=cast.pat.pk)
    row = do(cast, twin, now, email="p@post.example", given_name="Patricia")
    twin.refresh_from_db()
    assert twin.merged_into == cast.pat
    for thing in (contact, asked, referral, visit, sent_by):
        thing.refresh_from_db()
        assert thing.patient == cast.pat
    hold.refresh_from_db()
    assert hold.resource_id == cast.pat.pk
    # The survivor answered that one already; and nobody's access to a chart widens.
    same.refresh_from_db()
    assert same.patient == twin
    assert not CareTeamMember.objects.filter(patient=cast.pat, user=cast.nils).exists()
    cast.pat.refresh_from_db()
    assert (cast.pat.email, cast.pat.given_name) == ("p@post.example", "Patricia")
    told = AuditEvent.objects.filter(verb="patient.merged")
    assert {event.patient_id for event in told} == {twin.pk, cast.pat.pk}

    later = make.make_contact(cast.pat, name="Later")
    fresh = Patient.objects.get(pk=cast.pat.pk)
    patients.edit(
        by=cast.frida, patient=fresh, version=fresh.version, now=now,
        identity=replace(patients.identity_of(patient=fresh), given_name="Patty"),
    )  # fmt: skip
    merges.unmerge(by=cast.petra, merge=row, reason="Two passports.", now=now + DAY)
    for thing in (contact, asked, referral, visit, sent_by):
        thing.refresh_from_db()
        assert thing.patient == twin
    hold.refresh_from_db()
    assert hold.resource_id == twin.pk
    later.refresh_from_db()
    cast.pat.refresh_from_db()
    twin.refresh_from_db()
    assert later.patient == cast.pat
    assert not Patient.objects.filter(pk=twin.pk, merged_into__isnull=False).exists()
    # What somebody changed since stays as they wrote it.
    assert (cast.pat.email, cast.pat.given_name) == (before.email, "Patty")
    assert AuditEvent.objects.filter(verb="patient.unmerged").count() == 2
    with pytest.raises(merges.NotMerged):
        merges.unmerge(by=cast.petra, merge=row, reason="Again.", now=now + DAY)


def test_what_clears_the_survivor_is_suspended_until_a_prescriber_looked(
    cast: Cast, twin: Patient, now: datetime
) -> None:
    make.make_health_fact(Allergy, cast.pat, cast.nina, substance="latex", agent="other")
    flags.rescreen(by=cast.dana, patient=cast.pat, now=now - DAY)
    cleared = make.make_clearance(cast.pat, "cleared", by=cast.dana)
    row = do(cast, twin, now, birth_date=date(1960, 1, 1))
    cleared.refresh_from_db()
    assert cleared.status == "suspended"
    assert ClearanceMove.objects.get(clearance=cleared).cause == "merge"
    assert WorkItem.objects.open().filter(kind="clearance_review", subject_id=cleared.pk).exists()
    # Screened in the same transaction, with what was chosen.
    assert Screening.objects.get(patient=cast.pat).screened_at == now
    assert Allergy.objects.filter(patient=cast.pat).count() == 1
    merges.unmerge(by=cast.ada, merge=row, reason="Two people.", now=now + DAY)
    assert Screening.objects.get(patient=cast.pat).screened_at == now + DAY


HELD: dict[str, Callable[[Cast, Patient], Any]] = {
    "clearance": lambda cast, who: make.make_clearance(who),
    "request": lambda cast, who: make.make_request(who),
    "response": lambda cast, who: make.make_response(who, cast.pat_user),
    "allergy": lambda cast, who: make.make_health_fact(Allergy, who, cast.nina, substance="latex", agent="other"),
    "alert": lambda cast, who: make.make_alert(who, "orange"),
    "packet": lambda cast, who: packet_of(who, cast.frida),
}


@pytest.mark.parametrize("what", HELD)
def test_a_record_with_clinical_entries_is_never_merged_away(
    cast: Cast, twin: Patient, now: datetime, what: str
) -> None:
    HELD[what](cast, twin)
    said = refusal(cast, twin, now)
    assert f"{twin.mrn} holds" in said
    assert not {"latex", "allerg", "alert", "risk"} & set(said.lower().split())


def test_a_consent_keeps_its_record(cast: Cast, twin: Patient, now: datetime) -> None:
    make.make_consent(cast.pat, make.make_consent_text(cast.dana, cast.denver))
    assert f"{cast.pat.mrn} holds consents" in refusal(cast, twin, now, survivor=twin)
    # The other way round both stay where they are, and the merge is made.
    assert do(cast, twin, now).survivor == cast.pat


def test_what_else_stands_against_it(cast: Cast, twin: Patient, now: datetime) -> None:
    """One obstacle after the other; each sentence says what to do."""
    # The dosing room first: nobody's record changes under whoever gives a dose.
    here = make.make_appointment(cast.pat, cast.intake, cast.dana, now, status="checked_in", checked_in_at=now)
    assert "under way" in refusal(cast, twin, now)
    Appointment.objects.filter(pk=here.pk).update(status="in_progress", started_at=now)
    assert "under way" in refusal(cast, twin, now)
    Appointment.objects.filter(pk=here.pk).update(status="completed", finished_at=now)
    planned = make.make_appointment(twin, cast.intake, cast.dana, now + 2 * DAY)
    said = refusal(cast, twin, now)
    assert "still to come" in said
    assert twin.mrn in said
    assert cast.pat.mrn in said
    Appointment.objects.filter(pk=planned.pk).update(
        status="cancelled", cancelled_at=now, cancelled_by="clinic", cancel_reason="other"
    )
    make.make_preference(twin, cast.frida, "visit", "email", allowed=False)
    assert "disagree" in refusal(cast, twin, now)
    ContactPreference.objects.filter(patient=twin).update(ended_at=now)
    wish = AddressChange.objects.create(patient=twin, email="x@post.example", asked_at=now)
    assert "reached elsewhere" in refusal(cast, twin, now)
    wish.delete()
    waits = WaitlistEntry.objects.create(
        patient=twin, location=cast.denver, visit_type_code="intake", first_day=now.date(), last_day=now.date(),
        made_by=cast.frida, made_at=now,
    )  # fmt: skip
    assert "waitlist" in refusal(cast, twin, now)
    asks = make.make_visit_request(twin, cast.frida)
    assert "asks for a visit on the portal" in refusal(cast, twin, now)
    asks.status, asks.answered_at = "withdrawn", now
    asks.save()
    WaitlistEntry.objects.filter(pk=waits.pk).update(status="withdrawn", settled_at=now, settled_by=cast.frida)
    Patient.objects.filter(pk=twin.pk).update(life_state=LifeState.DECEASED)
    assert "deceased" in refusal(cast, twin, now)
    Patient.objects.filter(pk=twin.pk).update(life_state=LifeState.ACTIVE)
    # Both sign in, and quinn's portal is open.
    assert "portal" in refusal(cast, cast.quinn, now)
    # Changed while they were compared.
    identity = patients.identity_of(patient=cast.pat)
    with pytest.raises(merges.ChangedMeanwhile):
        merges.merge(
            by=cast.ada,
            survivor=cast.pat,
            loser=twin,
            identity=identity,
            seen={cast.pat.pk: 99, twin.pk: 99},
            reason="x",
            now=now,
        )
    assert do(cast, twin, now)


def test_two_visits_at_one_time_are_two_people(cast: Cast, twin: Patient, now: datetime) -> None:
    over(cast, cast.pat, now - DAY, room=cast.room)
    over_there = make.make_appointment(
        twin,
        cast.intake,
        cast.theo,
        now - DAY + timedelta(minutes=20),
        room=cast.second_room,
        status="completed",
        finished_at=now,
    )
    assert over_there.patient == twin
    said = refusal(cast, twin, now)
    assert "overlap" in said
    assert cast.pat.mrn in said
    assert twin.mrn in said


def test_nothing_is_written_into_what_was_merged_away(cast: Cast, twin: Patient, now: datetime) -> None:
    """Whoever has the old page open is told which record to open; nothing is lost in a record that nobody reads."""
    do(cast, twin, now)
    with pytest.raises(MergedAway, match=cast.pat.mrn):
        patients.edit(
            by=cast.frida, patient=twin, version=twin.version, identity=patients.identity_of(patient=twin), now=now
        )
    with pytest.raises(MergedAway):
        preferences.answer(by=cast.frida, patient=twin, answers=[], evidence=ContactPreference.Evidence.PORTAL, now=now)
    with pytest.raises(IntegrityError), transaction.atomic():
        Patient.objects.filter(pk=twin.pk).update(merged_into=twin)
    # Merged once; and the survivor of one merge is not merged away itself.
    third = make.make_patient(cast.denver, "Third")
    with pytest.raises(merges.CannotMerge, match="merged into another record already"):
        merges.merge(
            by=cast.ada,
            survivor=third,
            loser=twin,
            identity=patients.identity_of(patient=third),
            seen={},
            reason="x",
            now=now,
        )


def test_the_later_merge_is_taken_apart_first(cast: Cast, twin: Patient, now: datetime) -> None:
    first = do(cast, twin, now)
    third = make.make_patient(cast.denver, "Third")
    do(cast, third, now + DAY)
    with pytest.raises(merges.LaterFirst):
        merges.unmerge(by=cast.ada, merge=first, reason="x", now=now + DAY)


def test_a_sign_in_goes_over_closed_and_comes_back_closed(cast: Cast, twin: Patient, now: datetime) -> None:
    """Whoever read one record on the portal never reads the other by the merge alone."""
    fresh = make.make_patient(cast.denver, "Pat", "Moreau", birth_date=cast.pat.birth_date)
    row = do(cast, fresh, now, survivor=fresh)
    fresh.refresh_from_db()
    cast.pat.refresh_from_db()
    cast.pat_user.refresh_from_db()
    assert row.portal_user == cast.pat_user == fresh.portal_user
    assert (fresh.has_portal, cast.pat.portal_user_id, cast.pat_user.is_active) == (False, None, False)
    merges.unmerge(by=cast.ada, merge=row, reason="Two people.", now=now + DAY)
    fresh.refresh_from_db()
    cast.pat.refresh_from_db()
    assert (cast.pat.portal_user, cast.pat.has_portal) == (cast.pat_user, False)
    assert not Patient.objects.filter(pk=fresh.pk, portal_user__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_merge_and_whoever_books_or_checks_in_meanwhile() -> None:
    """Real threads on one pair of records: one of two merges is made, and nothing is left under the record that went."""
    cast, now = make_cast(), make.NOON
    goes = [make.make_patient(cast.denver, f"Twin{n}") for n in range(3)]
    visit = make.make_appointment(cast.pat, cast.intake, cast.dana, at("15:00"), room=cast.second_room)

    def merged(n: int) -> Callable[[], object]:
        identity = patients.identity_of(patient=cast.pat)
        return lambda: merges.merge(
            by=cast.ada, survivor=cast.pat, loser=goes[n], identity=identity, reason="One passport.", now=now,
            seen={one.pk: Patient.objects.get(pk=one.pk).version for one in (cast.pat, goes[n])},
        )  # fmt: skip

    assert together(merged(0), merged(0)) == {"Merge": 1, "CannotMerge": 1}
    # Whoever books for the record that goes is first, and it stays; or second, and is told where to go on.
    for _turn in range(3):
        answers = together(merged(1), lambda: book(cast, goes[1], second_is_meant=True))
        assert answers in ({"Merge": 1, "MergedAway": 1}, {"CannotMerge": 1, "Appointment": 1})
        assert "Merge" not in answers or not Appointment.objects.filter(patient=goes[1]).exists()
        if "Merge" in answers:
            merges.unmerge(by=cast.ada, merge=Merge.objects.standing().get(loser=goes[1]), reason="x", now=now)
        Appointment.objects.filter(patient=goes[1]).update(
            status="cancelled", cancelled_at=now, cancelled_by="clinic", cancel_reason="other"
        )
        ResourceHold.objects.filter(resource_id=goes[1].pk).update(is_live=False)
        ResourceHold.objects.filter(appointment__patient=goes[1]).update(is_live=False)
    # Whoever comes in the same second is here after the merge, or it was refused because they are.
    here = together(merged(2), lambda: attendance.check_in(by=cast.frida, appointment=visit, now=at("14:55")))
    assert here in ({"Merge": 1, "Appointment": 1}, {"CannotMerge": 1, "Appointment": 1})
    for loser in goes:
        away = Patient.objects.get(pk=loser.pk).is_merged
        assert Merge.objects.standing().filter(loser=loser).exists() is away
        assert not (away and ResourceHold.objects.filter(resource_id=loser.pk, is_live=True).exists())


def together(*acts: Callable[[], object]) -> dict[str, int]:
    """Return what came of acts begun at once, by the kind of what they returned or were refused with."""
    gate, came = threading.Barrier(len(acts)), list[str]()

    def run(act: Callable[[], object]) -> None:
        try:
            gate.wait(10)
            came.append(type(act()).__name__)
        except Exception as refusal:
            came.append(type(refusal).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return dict(Counter(came))


@pytest.mark.usefixtures("now")
def test_the_pages(cast: Cast, twin: Patient, signed_in: SignedIn, now: datetime) -> None:
    Patient.objects.filter(pk=twin.pk).update(pronouns="they/them")
    page = reverse("sessions:merge_patient", args=[cast.pat.pk])
    assert signed_in(cast.frida).get(page).status_code == 403
    ada = signed_in(cast.ada)
    # Whoever seems alike is offered with what speaks for it.
    html = ada.get(page).content.decode()
    assert f"?with={twin.mrn}" in html
    assert "same birth date" in html
    # Ada is front desk in Phoenix, so nobody of Phoenix is hers to merge.
    assert "no record" in ada.get(f"{page}?with={cast.sol.mrn}").content.decode()
    assert "no record" in ada.get(f"{page}?with={cast.sol.mrn[:4]}%00").content.decode()
    html = ada.get(f"{page}?with={twin.mrn}").content.decode()
    assert 'name="given_name"' in html
    assert 'name="birth_date"' not in html
    # What only one of the two says is not asked about: it is kept.
    assert 'name="pronouns"' not in html
    assert "they/them" in html
    sent = {
        "survivor": str(cast.pat.pk), "given_name": str(twin.pk), "email": str(cast.pat.pk), "reason": "A passport.",
        "is_sure": "on", "versions": f"{cast.pat.version}:{twin.version}",
    }  # fmt: skip
    assert ada.post(f"{page}?with={twin.mrn}", {**sent, "given_name": ""}).status_code == 422
    answer = ada.post(f"{page}?with={twin.mrn}", sent)
    assert answer.status_code == 302
    assert answer.headers["Location"] == reverse("patients:patient", args=[cast.pat.pk])
    cast.pat.refresh_from_db()
    assert (cast.pat.given_name, cast.pat.pronouns) == ("Patricia", "they/them")
    # The old number is found no more in lists, and its page leads on; its chart and its forms are shut.
    frida = signed_in(cast.frida)
    assert str(twin.pk) not in frida.get(reverse("patients:patients") + "?q=moreau").content.decode()
    old = frida.get(reverse("patients:patient", args=[twin.pk])).content.decode()
    assert f"merged into {cast.pat.mrn}" in old
    assert reverse("patients:patient", args=[cast.pat.pk]) in old
    for name in ("patients:edit_patient", "sessions:book_visit", "patients:add_contact"):
        address = reverse(name, args=[twin.pk])
        for gone in (frida.get(address), frida.post(address, {"name": "Sam"})):
            assert gone.status_code == 404
            # Whoever had the old form open is told where to go on; nobody of another place learns that there was anybody.
            assert f"merged into {cast.pat.mrn}" in gone.content.decode()
            assert reverse("patients:patient", args=[twin.pk]) in gone.content.decode()
        assert cast.pat.mrn not in signed_in(cast.olga).get(address).content.decode()
    row = Merge.objects.get()
    undo = reverse("sessions:unmerge_patients", args=[row.pk])
    assert undo in signed_in(cast.ada).get(reverse("sessions:patient_merges", args=[cast.pat.pk])).content.decode()
    assert (
        undo not in signed_in(cast.frida).get(reverse("sessions:patient_merges", args=[cast.pat.pk])).content.decode()
    )
    assert signed_in(cast.petra).post(undo, {"reason": "Two passports."}).status_code == 302
    assert signed_in(cast.petra).post(undo, {"reason": "Two passports."}).status_code == 422
    twin.refresh_from_db()
    assert not twin.is_merged
    assert ClearanceMove.objects.count() == 0
    assert Referral.objects.filter(patient=twin).count() == 0
