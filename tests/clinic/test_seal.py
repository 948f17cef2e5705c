"""Sealing the audit: what a seal covers, that no row slips in under one, and the anchor file."""

import itertools
import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from pytest_django import Settings

from clinic import audit as record
from clinic import clock, seals, tasks
from clinic.actions import audit
from clinic.models import AuditEvent, AuditSeal
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def anchor(tmp_path: Path, settings: Settings) -> Path:
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "anchor.log")
    return tmp_path / "anchor.log"


def write(count: int = 1) -> list[AuditEvent]:
    return [record.record(None, record.Verb.SIGN_IN_FAILED, None, now=make.NOON) for _ in range(count)]


def seal(patience_seconds: float = 1.0) -> list[AuditSeal]:
    return audit.seal(now=make.NOON, patience_seconds=patience_seconds)


def test_every_column_of_the_audit_is_sealed() -> None:
    """A new column means a new form: say how it is written, and keep the old forms for the old seals."""
    assert set(seals.FIELDS[seals.FORM]) == {field.attname for field in AuditEvent._meta.concrete_fields}


def test_a_seal_covers_everything_new_and_is_anchored(anchor: Path) -> None:
    rows = write(3)
    (first,) = seal()
    assert (first.number, first.first_event, first.last_event, first.event_count) == (1, 1, rows[-1].pk, 3)
    write(2)
    (second,) = seal()
    assert (second.number, second.first_event, second.event_count) == (2, first.last_event + 1, 2)
    lines = [seals.AnchorLine.parse(line) for line in anchor.read_text().splitlines()]
    assert lines == [seals.AnchorLine.of(first), seals.AnchorLine.of(second)]


def test_nothing_new_makes_no_seal(anchor: Path) -> None:
    assert seal() == []
    write()
    assert len(seal()) == 1
    assert seal() == []
    assert AuditSeal.objects.count() == 1


def test_many_rows_make_several_seals(anchor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ROWS_A_SEAL", 4)
    write(10)
    made = seal()
    assert [one.event_count for one in made] == [4, 4, 2]
    for before, after in itertools.pairwise(made):
        assert after.first_event == before.last_event + 1


def test_the_mac_depends_on_the_key_the_rows_and_the_seal_before(anchor: Path, settings: Settings) -> None:
    write(2)
    (made,) = seal()
    values: dict[str, Any] = {
        "key": seals.keys()[made.key_id], "form": made.form, "number": 1, "first": made.first_event,
        "last": made.last_event, "sealed_at": made.sealed_at, "previous": "",
    }  # fmt: skip
    rows = list(seals.rows_between(made.first_event, made.last_event))
    assert seals.mac_over(**values, rows=rows) == (made.mac, 2)
    for change in ({"key": b"x"}, {"previous": "00"}, {"sealed_at": make.NOON + timedelta(seconds=1)}, {"last": 9**9}):
        assert seals.mac_over(**{**values, **change}, rows=rows)[0] != made.mac
    assert seals.mac_over(**values, rows=rows[::-1])[0] != made.mac
    assert seals.mac_over(**values, rows=rows[:1])[0] != made.mac


def test_a_key_in_front_seals_and_the_old_one_still_proves(anchor: Path, settings: Settings) -> None:
    write()
    (old,) = seal()
    settings.AUDIT_KEY = "a-newer-key," + settings.AUDIT_KEY
    write()
    (new,) = seal()
    assert new.key_id != old.key_id
    assert list(seals.keys()) == [new.key_id, old.key_id]


class TestTheAnchorFile:
    def test_a_line_that_a_crash_left_out_is_written_by_the_next_round(self, anchor: Path) -> None:
        write()
        seal()
        anchor.write_text("")
        assert seal() == []
        assert len(anchor.read_text().splitlines()) == 1

    def test_more_than_one_is_left_for_verify_to_find(self, anchor: Path) -> None:
        for _round in range(2):
            write()
            seal()
        anchor.write_text("")
        write()
        seal()
        numbers = [seals.AnchorLine.parse(line).number for line in anchor.read_text().splitlines()]  # type: ignore[union-attr]  # each line is whole
        assert numbers == [3]

    def test_a_line_that_broke_off_is_written_again_below(self, anchor: Path) -> None:
        write()
        seal()
        whole = anchor.read_text()
        anchor.write_text(whole[:40])
        seal()
        assert anchor.read_text() == whole[:40] + "\n" + whole
        assert [text for _n, text in seals.anchor_lines(anchor)] == [whole.strip()]

    @pytest.mark.parametrize("place", ["", "nowhere/anchor.log"])
    def test_without_it_nothing_is_sealed(self, tmp_path: Path, settings: Settings, place: str) -> None:
        settings.AUDIT_ANCHOR_FILE = str(tmp_path / place) if place else ""
        write()
        with pytest.raises(audit.AnchorAway, match="Nothing was sealed"):
            seal()
        assert not AuditSeal.objects.exists()

    def test_a_full_disk_is_said_and_the_line_is_written_later(
        self, anchor: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write()
        real = os.write
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda descriptor, text: real(descriptor, text[:10]))
            with pytest.raises(audit.AnchorAway, match="No space left"):
                seal()
        seal()
        assert [text for _n, text in seals.anchor_lines(anchor)] == [str(seals.AnchorLine.of(AuditSeal.objects.get()))]


@pytest.mark.django_db(transaction=True)
class TestNoRowSlipsIn:
    def test_a_row_that_is_not_committed_yet_holds_the_seal_back(self, anchor: Path) -> None:
        """Its id is lower than one that everybody sees. Sealing now would leave it out for ever."""
        written, may_end = threading.Event(), threading.Event()

        def slow() -> None:
            with transaction.atomic():
                write()
                written.set()
                may_end.wait(20)
            connection.close()

        thread = threading.Thread(target=slow)
        thread.start()
        assert written.wait(20)
        later = write()[0]
        with pytest.raises(audit.StillWriting, match="idle in transaction"):
            seal(patience_seconds=0.3)
        assert not AuditSeal.objects.exists()
        may_end.set()
        thread.join()
        (made,) = seal()
        assert (made.event_count, made.last_event) == (2, later.pk)

    def test_a_transaction_that_ends_in_time_is_waited_for(self, anchor: Path) -> None:
        written = threading.Event()

        def slow() -> None:
            with transaction.atomic():
                write()
                written.set()
                threading.Event().wait(0.5)
            connection.close()

        thread = threading.Thread(target=slow)
        thread.start()
        assert written.wait(20)
        write()
        (made,) = seal(patience_seconds=20)
        thread.join()
        assert made.event_count == 2

    def test_seals_made_while_everybody_writes_prove(self, anchor: Path) -> None:
        def writer() -> None:
            for _ in range(25):
                with transaction.atomic():
                    write(2)
            connection.close()

        def sealer() -> None:
            for _ in range(6):
                audit.seal(now=make.NOON)
            connection.close()

        threads = [threading.Thread(target=work) for work in (writer, writer, writer, sealer, sealer)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seal()
        told: list[str] = []
        proof = seals.verify(tell=told.append)
        assert told == []
        assert (proof.rows, proof.unsealed) == (150, 0)
        assert proof.seals == AuditSeal.objects.count() > 1


def test_the_task_seals(anchor: Path) -> None:
    write()
    tasks.seal_audit()
    tasks.seal_audit()
    assert AuditSeal.objects.count() == 1


def test_the_heartbeat_is_heard() -> None:
    tasks.heartbeat()
    assert abs(clock.now().timestamp() - cache.get("pulse")) < 60
