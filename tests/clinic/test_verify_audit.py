"""``verify_audit``: whatever somebody with the owner's rights does to what was sealed is found and named."""

import io
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from clinic import audit as record
from clinic import seals
from clinic.actions import audit
from clinic.models import AuditEvent, AuditSeal
from tests import factories as make
from tests.conftest import owner_rights

pytestmark = pytest.mark.django_db


@pytest.fixture
def anchor(tmp_path: Path, settings: Settings) -> Path:
    """Three seals of four rows each, and the anchor file that goes with them."""
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "anchor.log")
    for _ in range(3):
        one_more()
    return tmp_path / "anchor.log"


def one_more() -> AuditSeal:
    for _ in range(4):
        record.record(None, record.Verb.RECORD_READ, None, now=make.NOON, details={"fields": ["phone"]})
    (made,) = audit.seal(now=make.NOON)
    return made


def verify() -> tuple[int, str]:
    """Return the exit code and what was said."""
    out = io.StringIO()
    try:
        call_command("verify_audit", stdout=out, no_color=True)
    except SystemExit as leaving:
        return int(str(leaving.code)), out.getvalue()
    return 0, out.getvalue()


def tamper(sql: str, *values: int) -> None:
    """Do what only somebody who owns the tables can: switch the triggers off and write."""
    with owner_rights(), connection.cursor() as cursor:
        for table in ("clinic_auditevent", "clinic_auditseal"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(sql, values)
        assert cursor.rowcount > 0
        for table in ("clinic_auditevent", "clinic_auditseal"):
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def cut_off_after(number: int) -> None:
    """Delete the seals after one, and their rows."""
    tamper("DELETE FROM clinic_auditevent WHERE id > %s", AuditSeal.objects.get(number=number).last_event)
    tamper("DELETE FROM clinic_auditseal WHERE number > %s", number)


def second_seal() -> AuditSeal:
    return AuditSeal.objects.get(number=2)


def in_second() -> int:
    return AuditEvent.objects.filter(id__gte=second_seal().first_event).order_by("id").values_list("id", flat=True)[1]


def test_untouched(anchor: Path) -> None:
    code, said = verify()
    assert code == 0
    assert "12 rows under 3 seals" in said
    assert "Everything that was sealed is as it was written." in said


def test_nothing_sealed_yet(tmp_path: Path, settings: Settings) -> None:
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "anchor.log")
    assert verify()[0] == 0


def test_the_unsealed_tail_is_not_promised(anchor: Path) -> None:
    record.record(None, record.Verb.RECORD_READ, None, now=make.NOON)
    code, said = verify()
    assert code == 0
    assert "1 rows since Wed 13 Jan 2027 16:00 UTC have no seal yet" in said
    assert "nothing here proves it" in said


COLUMNS = {
    "verb": "'record.reae'", "at": "at + interval '1 microsecond'", "actor_id": "gen_random_uuid()",
    "acting_role": "'x'", "subject_type": "'x'", "subject_id": "gen_random_uuid()", "patient_id": "gen_random_uuid()",
    "location_id": "gen_random_uuid()", "outcome": "'refused'", "details": "'{\"fields\": [\"phonf\"]}'", "page": "'x'",
    "request_id": "'x'", "session_hash": "'x'", "address": "'10.0.0.1'", "device_id": "gen_random_uuid()",
}  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS)
def test_one_byte_changed(anchor: Path, column: str) -> None:
    tamper(f"UPDATE clinic_auditevent SET {column} = {COLUMNS[column]} WHERE id = %s", in_second())
    code, said = verify()
    assert code == 1
    seal = second_seal()
    assert f"Something was changed: seal 2, rows {seal.first_event} to {seal.last_event}" in said
    assert "1 findings" in said


TAMPERINGS: dict[str, tuple[Callable[[], None], str]] = {
    "a row deleted": (
        lambda: tamper("DELETE FROM clinic_auditevent WHERE id = %s", in_second()),
        "1 rows are missing: seal 2",
    ),
    "all rows deleted": (lambda: tamper("DELETE FROM clinic_auditevent"), "4 rows are missing: seal 3"),
    "a row swapped for another": (
        lambda: tamper("UPDATE clinic_auditevent SET id = id - 100000 WHERE id = %s", in_second()),
        "There are rows with ids below 1",
    ),
    "a seal deleted": (lambda: tamper("DELETE FROM clinic_auditseal WHERE number = 2"), "Seal 2 is missing from the database"),
    "the first seal deleted": (lambda: tamper("DELETE FROM clinic_auditseal WHERE number = 1"), "Seal 1 is missing"),
    "the tail of seals and rows deleted": (
        lambda: cut_off_after(1),
        "The anchor file knows seals up to 3; in the database they end at 1",
    ),
    "a mac changed": (
        lambda: tamper("UPDATE clinic_auditseal SET mac = repeat('0', 64) WHERE number = 2"),
        "Something was changed: seal 2",
    ),
    "the moment of a seal changed": (
        lambda: tamper("UPDATE clinic_auditseal SET sealed_at = sealed_at - interval '1 day' WHERE number = 2"),
        "Something was changed: seal 2",
    ),
    "the key of a seal changed": (
        lambda: tamper("UPDATE clinic_auditseal SET key_id = 'other' WHERE number = 2"),
        "its key or form is not known here: seal 2",
    ),
    "the run of a seal shortened": (
        lambda: tamper("UPDATE clinic_auditseal SET last_event = last_event - 1 WHERE number = 2"),
        "It does not begin where the one before ended: seal 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERINGS)
def test_with_the_owners_rights(anchor: Path, what: str) -> None:
    act, sentence = TAMPERINGS[what]
    act()
    code, said = verify()
    assert (code, sentence in said) == (1, True), said


def test_a_row_inserted_where_no_row_ever_was(anchor: Path) -> None:
    """An id that a rolled-back transaction left free is inside a sealed run, and taking it later shows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('clinic_auditevent_id_seq')")
        free = cursor.fetchone()[0]
    one_more()
    assert verify()[0] == 0
    # The application's own role may insert with an id of its choice; no owner is needed for this one.
    AuditEvent.objects.create(id=free, at=make.NOON, verb=record.Verb.RECORD_READ)
    code, said = verify()
    assert code == 1
    assert "1 rows were added: seal 4" in said


class TestTheAnchorFile:
    def lines(self, anchor: Path) -> list[str]:
        return anchor.read_text().splitlines(keepends=True)

    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_a_missing_line(self, anchor: Path, number: int) -> None:
        lines = self.lines(anchor)
        anchor.write_text("".join(lines[: number - 1] + lines[number:]))
        code, said = verify()
        assert code == 1
        assert f"The anchor file has no line for it: seal {number}," in said

    def test_a_changed_line(self, anchor: Path) -> None:
        text = anchor.read_text()
        mac = second_seal().mac
        anchor.write_text(text.replace(mac, mac[:-1] + ("0" if mac[-1] != "0" else "1")))
        code, said = verify()
        assert code == 1
        assert "The anchor file says otherwise: seal 2" in said

    def test_a_line_nobody_can_read(self, anchor: Path) -> None:
        anchor.write_text(anchor.read_text() + "seal 4 rubbish\n")
        code, said = verify()
        assert code == 1
        assert "Line 4 of the anchor file cannot be read" in said

    def test_a_line_for_a_seal_that_was_never_made(self, anchor: Path) -> None:
        forged = str(seals.AnchorLine.of(AuditSeal.objects.get(number=3))).replace("seal 3", "seal 4")
        anchor.write_text(anchor.read_text() + forged + "\n")
        assert "The anchor file knows seals up to 4" in verify()[1]

    def test_the_whole_file_gone(self, anchor: Path) -> None:
        anchor.unlink()
        code, said = verify()
        assert code == 1
        assert "The anchor file cannot be read" in said


class TestARestoredBackup:
    @pytest.fixture
    def restored(self, anchor: Path) -> None:
        """As a backup of an hour ago leaves it: the newest seal and its rows are not there."""
        cut_off_after(2)

    def test_it_is_found(self, restored: None) -> None:
        assert "an older backup was restored" in verify()[1]

    def test_once_acknowledged_the_loss_is_said_and_the_rest_proves(self, restored: None, anchor: Path) -> None:
        call_command("seal_audit", "--after-restore", stdout=io.StringIO())
        one_more()
        code, said = verify()
        assert code == 0, said
        assert "what was sealed after seal 2 before then is lost" in said
        assert AuditSeal.objects.latest("number").number == 3

    def test_nobody_without_the_key_can_say_so(self, restored: None, anchor: Path) -> None:
        forged = seals.AnchorLine.restored(2, at=make.NOON, key_id=next(iter(seals.keys())), key=b"a guess")
        anchor.write_text(anchor.read_text() + f"{forged}\n")
        code, said = verify()
        assert code == 1
        assert "claims a restored backup, without our key" in said

    def test_it_is_refused_when_nothing_was_restored(self, anchor: Path) -> None:
        with pytest.raises(CommandError, match="nothing that a restored backup would explain"):
            call_command("seal_audit", "--after-restore", stdout=io.StringIO())
        with pytest.raises(audit.NothingWasRestored):
            audit.acknowledge_restore(now=make.NOON + timedelta(hours=1))

    def test_it_does_not_cover_another_finding(self, restored: None, anchor: Path) -> None:
        call_command("seal_audit", "--after-restore", stdout=io.StringIO())
        tamper("DELETE FROM clinic_auditevent WHERE id = %s", in_second())
        assert verify()[0] == 1


def test_memory_does_not_grow_with_the_rows(anchor: Path) -> None:
    def peak() -> int:
        tracemalloc.start()
        try:
            seals.verify(tell=pytest.fail)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    AuditEvent.objects.bulk_create(AuditEvent(at=make.NOON, verb="record.read") for _ in range(4000))
    audit.seal(now=make.NOON)
    small = peak()
    AuditEvent.objects.bulk_create(
        (AuditEvent(at=make.NOON, verb="record.read") for _ in range(24000)), batch_size=4000
    )
    audit.seal(now=make.NOON)
    assert peak() < small * 1.5
