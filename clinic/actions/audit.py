"""Sealing the audit: proof, kept outside the database too, that its rows are as they were written.

Why no row can slip in under a seal, and what is not promised: docs/decisions/0011-audit-seals.md. The bytes, the anchor
file's lines and the verification are in clinic/seals.py.
"""

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from clinic import seals
from clinic.errors import Refused
from clinic.models import AuditEvent, AuditSeal

# One seal covers at most so many rows, so that a broken one points at a stretch a person can look through.
ROWS_A_SEAL = 10_000
# How long a round waits for transactions that are writing audit rows at this moment.
PATIENCE_SECONDS = 20.0


class AnchorAway(Refused):
    """The anchor file cannot be written, so nothing is sealed: a seal without its line would prove less than it seems."""

    def __init__(self, why: str) -> None:
        super().__init__(
            _("The anchor file cannot be written (%(why)s). Nothing was sealed; rows wait until it can. Check "
              "AUDIT_ANCHOR_FILE.") % {"why": why}
        )  # fmt: skip


class StillWriting(Refused):
    """A transaction that wrote audit rows has been open for long. Its rows may have ids that come before others."""

    def __init__(self) -> None:
        super().__init__(
            _("A transaction that is writing to the audit does not end. Nothing was sealed; the next round tries again. "
              "If this repeats, look for a connection that is “idle in transaction”.")
        )  # fmt: skip


class NothingWasRestored(Refused):
    """The anchor file and the database agree."""

    def __init__(self) -> None:
        super().__init__(
            _("The anchor file does not know more seals than the database, or the seals they share differ. There is "
              "nothing that a restored backup would explain.")
        )  # fmt: skip


def seal(*, now: datetime, patience_seconds: float = PATIENCE_SECONDS) -> list[AuditSeal]:
    """Return the seals made over every row that is final now: none when there is nothing new.

    Each is committed and then written to the anchor file. Refuses when that file cannot be written, and when a
    transaction that writes audit rows does not end within ``patience_seconds``.
    """
    with seals.sealing_waits(), _anchor() as anchor:
        _write_what_a_crash_left_out(anchor)
        horizon = _everything_up_to_here_is_final(patience_seconds)
        made: list[AuditSeal] = []
        while (next_seal := _seal_next(horizon, now)) is not None:
            _append(anchor, seals.AnchorLine.of(next_seal))
            made.append(next_seal)
    return made


def acknowledge_restore(*, now: datetime) -> seals.AnchorLine:
    """Return the line that tells the anchor file: a backup was restored, and what was sealed after it is lost.

    Refuses when the file does not know more seals than the database, or disagrees about the newest one they share.
    """
    with seals.sealing_waits(), _anchor() as anchor:
        newest = AuditSeal.objects.order_by("-number").first()
        number = newest.number if newest else 0
        known = _standing(Path(settings.AUDIT_ANCHOR_FILE))
        agrees = newest is None or known.get(number) == seals.AnchorLine.of(newest)
        if max(known, default=0) <= number or not agrees:
            raise NothingWasRestored
        key_id, key = _newest_key()
        line = seals.AnchorLine.restored(number, at=now, key_id=key_id, key=key)
        _append(anchor, line)
    return line


def _standing(path: Path) -> dict[int, seals.AnchorLine]:
    """Return the anchor's lines by the number of their seal, without those that an earlier restore made void."""
    known: dict[int, seals.AnchorLine] = {}
    for _number, text in seals.anchor_lines(path):
        line = seals.AnchorLine.parse(text)
        if line is not None and line.word == "seal":
            known[line.number] = line
        elif line is not None and line.is_genuine_restore():
            known = {number: kept for number, kept in known.items() if number <= line.number}
    return known


def _newest_key() -> tuple[str, bytes]:
    return next(iter(seals.keys().items()))


def _everything_up_to_here_is_final(patience_seconds: float) -> int:
    """Return an audit id such that every row up to it is visible now and none can appear later.

    Ids are given out before their rows can be seen, and a transaction that began first may end last. Whoever has been
    given an id holds the table's insert lock until the end, so: note the newest id given out, note who holds that lock,
    and wait until those have ended.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM clinic_auditevent_id_seq")
        horizon = int(cursor.fetchone()[0])
        waiting_for = _writers()
        until = time.monotonic() + patience_seconds
        while waiting_for:
            if time.monotonic() >= until:
                raise StillWriting
            time.sleep(0.05)
            waiting_for &= _writers()
    return horizon


def _writers() -> set[str]:
    """Return the transactions, other than our own, that may have been given audit ids which nobody else can see yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted"
            " AND relation = 'clinic_auditevent'::regclass AND pid IS DISTINCT FROM pg_backend_pid()"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return {row[0] for row in cursor.fetchall()}


# Durable: a seal must be committed before its line is written outside the database.
@transaction.atomic(durable=True)
def _seal_next(horizon: int, now: datetime) -> AuditSeal | None:
    """Return the seal over the next run of rows up to ``horizon``, or None when no row waits there."""
    before = AuditSeal.objects.order_by("-number").first()
    first = before.last_event + 1 if before else 1
    waiting = AuditEvent.objects.filter(id__gte=first, id__lte=horizon).order_by("id").values_list("id", flat=True)
    if not waiting.exists():
        return None
    last = next(iter(waiting[ROWS_A_SEAL - 1 : ROWS_A_SEAL]), horizon)
    number = before.number + 1 if before else 1
    key_id, key = _newest_key()
    mac, count = seals.mac_over(
        key=key, form=seals.FORM, number=number, first=first, last=last, sealed_at=now,
        previous=before.mac if before else "", rows=seals.rows_between(first, last),
    )  # fmt: skip
    return AuditSeal.objects.create(
        number=number, form=seals.FORM, key_id=key_id, first_event=first, last_event=last, event_count=count, mac=mac,
        sealed_at=now,
    )  # fmt: skip


@contextlib.contextmanager
def _anchor() -> Iterator[int]:
    """Open the anchor file for appending and for nothing else; it may carry the system's append-only attribute."""
    if not settings.AUDIT_ANCHOR_FILE:
        raise AnchorAway("AUDIT_ANCHOR_FILE")
    path = Path(settings.AUDIT_ANCHOR_FILE)
    try:
        is_new = not path.exists()
        descriptor = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o640)
        if is_new:
            _sync_folder(path.parent)
    except OSError as error:
        raise AnchorAway(error.strerror or str(error)) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make the file's own name last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _append(anchor: int, line: seals.AnchorLine) -> None:
    text = f"{line}\n".encode()
    try:
        written = os.write(anchor, text)
        os.fsync(anchor)
    except OSError as error:
        raise AnchorAway(error.strerror or str(error)) from error
    if written != len(text):
        raise AnchorAway(os.strerror(errno.ENOSPC))


def _write_what_a_crash_left_out(anchor: int) -> None:
    """Write the newest seal's line if it alone is missing: a process died between the commit and the line.

    More than one missing line is never written again here. It is for ``verify_audit`` to find.
    """
    path = Path(settings.AUDIT_ANCHOR_FILE)
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                # The line broke off; it is written again below it, whole.
                os.write(anchor, b"\n")
    newest = AuditSeal.objects.order_by("-number").first()
    if newest is None:
        return
    known = 0
    for _number, text in seals.anchor_lines(path):
        line = seals.AnchorLine.parse(text)
        if line is not None:
            known = line.number
    if known == newest.number - 1:
        _append(anchor, seals.AnchorLine.of(newest))
