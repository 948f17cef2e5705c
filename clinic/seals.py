"""How audit rows are sealed and how seals are proved: bytes, macs, the anchor file, and the verification.

A seal is an HMAC-SHA256, with a key that is outside the database, over a whole run of ids: the rows in it, those that
no row ever got, and the seal before. The design and what it does not promise: docs/decisions/0011-audit-seals.md.
Sealing writes, so it is an action (clinic/actions/audit.py); everything here reads.
"""

import contextlib
import hashlib
import hmac
import itertools
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from clinic.models import AuditEvent, AuditSeal

# A new column of AuditEvent, or another way to write one, is a new form; seals of the old one are proved as they were.
FORM = 1
FIELDS = {
    1: (
        "id", "at", "actor_id", "acting_role", "verb", "subject_type", "subject_id", "patient_id", "location_id",
        "outcome", "details", "page", "request_id", "session_hash", "address", "device_id",
    ),
}  # fmt: skip
# Sealing, and the moment at which a verification notes how far it will look, take turns.
SEAL_LOCK = 5_710_424
# Rows fetched at once: memory stays the same however many rows a seal covers.
CHUNK = 2000


@contextlib.contextmanager
def sealing_waits() -> Iterator[None]:
    """Keep rounds of sealing out while the block runs. Held by the session, since it spans several transactions."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [SEAL_LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [SEAL_LOCK])


def keys() -> dict[str, bytes]:
    """Return the keys of AUDIT_KEY by their ids, the newest first: it seals, all of them prove."""
    found = [key.strip().encode() for key in settings.AUDIT_KEY.split(",") if key.strip()]
    return {hmac.new(key, b"stillwater audit key", hashlib.sha256).hexdigest()[:16]: key for key in found}


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical(values: Any) -> bytes:
    """Return the one way to write values as bytes: JSON, keys sorted, no spaces, ASCII, a line end."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain)
    return text.encode() + b"\n"


def rows_between(first: int, last: int, form: int = FORM) -> Iterator[tuple[Any, ...]]:
    """Yield the audit rows of a run of ids in order, as the form of that seal writes them."""
    rows = AuditEvent.objects.filter(id__gte=first, id__lte=last).order_by("id")
    yield from rows.values_list(*FIELDS[form]).iterator(chunk_size=CHUNK)


def mac_over(
    *,
    key: bytes,
    form: int,
    number: int,
    first: int,
    last: int,
    sealed_at: datetime,
    previous: str,
    rows: Iterable[tuple[Any, ...]],
) -> tuple[str, int]:
    """Return the mac over a run of rows and the seal before it (``previous`` is its mac), and how many rows there were."""
    mac = hmac.new(key, canonical(["stillwater-audit-seal", form, number, first, last, sealed_at, previous]), "sha256")
    count = 0
    for row in rows:
        mac.update(canonical(list(row)))
        count += 1
    mac.update(canonical([count]))
    return mac.hexdigest(), count


@dataclass(frozen=True)
class AnchorLine:
    """One line of the anchor file: a seal as it was made, or the word that a backup was restored up to a seal."""

    word: str
    number: int
    first: int
    last: int
    count: int
    mac: str
    key_id: str
    at: str

    def __str__(self) -> str:
        return f"{self.word} {self.number} {self.first}-{self.last} {self.count} {self.mac} {self.key_id} {self.at}"

    @classmethod
    def of(cls, seal: AuditSeal) -> "AnchorLine":
        at = seal.sealed_at.astimezone(UTC).isoformat(timespec="microseconds")
        return cls("seal", seal.number, seal.first_event, seal.last_event, seal.event_count, seal.mac, seal.key_id, at)

    @classmethod
    def restored(cls, number: int, *, at: datetime, key_id: str, key: bytes) -> "AnchorLine":
        """Return the line that says: the database was restored, and lines above ``number`` before this one are void."""
        moment = at.astimezone(UTC).isoformat(timespec="microseconds")
        mac = hmac.new(key, canonical(["stillwater-audit-restored", number, moment]), "sha256").hexdigest()
        return cls("restored", number, 0, 0, 0, mac, key_id, moment)

    def is_genuine_restore(self) -> bool:
        """Return whether somebody who had the key wrote this line."""
        key = keys().get(self.key_id)
        if self.word != "restored" or key is None:
            return False
        expected = AnchorLine.restored(self.number, at=datetime.fromisoformat(self.at), key_id=self.key_id, key=key)
        return hmac.compare_digest(expected.mac, self.mac)

    @classmethod
    def parse(cls, text: str) -> "AnchorLine | None":
        """Return the line that a text says, or None when it says none."""
        try:
            word, number, run, count, mac, key_id, at = text.split(" ")
            first, last = run.split("-")
            datetime.fromisoformat(at)
            line = cls(word, int(number), int(first), int(last), int(count), mac, key_id, at)
        except ValueError:
            return None
        return line if word in {"seal", "restored"} and str(line) == text else None


def anchor_lines(path: Path, size: int | None = None) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of the anchor file's first ``size`` bytes, all of it when None.

    A line that broke off in a crash and was written again right after it is left out: nothing is lost by it.
    """
    read = 0
    held: tuple[int, str] | None = None
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            read += len(raw)
            if size is not None and read > size:
                break
            text = raw.rstrip(b"\n").decode("utf-8", errors="replace")
            if held is not None and not text.startswith(held[1]):
                yield held
            held = (number, text)
    if held is not None:
        yield held


@dataclass
class Proof:
    """What a verification found. ``broken`` counts the sentences it told."""

    seals: int = 0
    rows: int = 0
    broken: int = 0
    unsealed: int = 0
    unsealed_since: datetime | None = None
    notes: list[str] = field(default_factory=list)


Tell = Callable[[str], None]


def verify(*, tell: Tell) -> Proof:
    """Recompute every seal and compare each with the anchor file. Each broken thing is told in a sentence as it is found.

    Memory does not grow with the rows, and sealing may go on meanwhile: what is made after the start is left for the next
    time.
    """
    proof = Proof()

    def broken(sentence: str) -> None:
        proof.broken += 1
        tell(sentence)

    path = Path(settings.AUDIT_ANCHOR_FILE) if settings.AUDIT_ANCHOR_FILE else None
    with sealing_waits():
        newest = AuditSeal.objects.order_by("-number").first()
        size = path.stat().st_size if path is not None and os.access(path, os.R_OK) else None
    lines: Iterator[AnchorLine] = iter(())
    if path is not None and size is not None:
        lines = _standing_lines(path, size, proof, broken)
    elif newest is not None:
        broken(_("The anchor file cannot be read: %(path)s.") % {"path": path or "AUDIT_ANCHOR_FILE"})
    if AuditEvent.objects.filter(id__lt=1).exists():
        broken(_("There are rows with ids below 1, before everything that was ever sealed."))
    _prove_seals(newest.number if newest else 0, lines, proof, broken, has_anchor=size is not None)
    tail = AuditEvent.objects.filter(id__gt=newest.last_event if newest else 0)
    proof.unsealed = tail.count()
    proof.unsealed_since = tail.order_by("id").values_list("at", flat=True).first()
    return proof


def _standing_lines(path: Path, size: int, proof: Proof, broken: Tell) -> Iterator[AnchorLine]:
    """Yield the anchor's seals that still stand: those whose rows a restored backup lost are noted and left out."""
    restores: list[tuple[int, AnchorLine]] = []
    for number, text in anchor_lines(path, size):
        line = AnchorLine.parse(text)
        if line is not None and line.word == "restored":
            if line.is_genuine_restore():
                restores.append((number, line))
                proof.notes.append(
                    _("A backup was restored on %(at)s: what was sealed after seal %(number)d before then is lost.")
                    % {"at": line.at, "number": line.number}
                )
            else:
                broken(
                    _("Line %(line)d of the anchor file claims a restored backup, without our key.") % {"line": number}
                )
    for number, text in anchor_lines(path, size):
        line = AnchorLine.parse(text)
        if line is None:
            broken(_("Line %(line)d of the anchor file cannot be read.") % {"line": number})
        elif line.word == "seal" and not any(number < at and line.number > mark.number for at, mark in restores):
            yield line


def _prove_seals(newest: int, lines: Iterator[AnchorLine], proof: Proof, broken: Tell, *, has_anchor: bool) -> None:
    known = keys()
    previous_mac, expected, next_id = "", 1, 1
    anchored = next(lines, None)
    seals = AuditSeal.objects.filter(number__lte=newest).order_by("number")
    for seal in seals.iterator(chunk_size=CHUNK):
        where = _("seal %(number)d, rows %(first)d to %(last)d, of %(at)s") % {
            "number": seal.number, "first": seal.first_event, "last": seal.last_event, "at": _moment(seal.sealed_at),
        }  # fmt: skip
        if seal.number != expected:
            broken(_gap(expected, seal.number - 1))
        if seal.first_event != next_id:
            broken(_("It does not begin where the one before ended: %(where)s.") % {"where": where})
        _prove_one(seal, previous_mac, known, where, proof, broken)
        while anchored is not None and anchored.number < seal.number:
            broken(_("The anchor file knows seal %(number)d, the database does not.") % {"number": anchored.number})
            anchored = next(lines, None)
        if anchored is not None and anchored.number == seal.number:
            if anchored != AnchorLine.of(seal):
                broken(_("The anchor file says otherwise: %(where)s.") % {"where": where})
            anchored = next(lines, None)
        elif has_anchor:
            broken(_("The anchor file has no line for it: %(where)s.") % {"where": where})
        previous_mac, expected, next_id = seal.mac, seal.number + 1, seal.last_event + 1
        proof.seals += 1
    if anchored is not None:
        beyond = max(line.number for line in itertools.chain([anchored], lines))
        broken(
            _("The anchor file knows seals up to %(number)d; in the database they end at %(last)d. Rows and seals after "
              "that are gone, or an older backup was restored.") % {"number": beyond, "last": expected - 1}
        )  # fmt: skip


def _prove_one(
    seal: AuditSeal, previous_mac: str, known: dict[str, bytes], where: str, proof: Proof, broken: Tell
) -> None:
    key = known.get(seal.key_id)
    if key is None or seal.form not in FIELDS:
        broken(_("It cannot be proved, because its key or form is not known here: %(where)s.") % {"where": where})
        return
    mac, count = mac_over(
        key=key, form=seal.form, number=seal.number, first=seal.first_event, last=seal.last_event,
        sealed_at=seal.sealed_at, previous=previous_mac, rows=rows_between(seal.first_event, seal.last_event, seal.form),
    )  # fmt: skip
    proof.rows += count
    if count < seal.event_count:
        broken(_("%(n)d rows are missing: %(where)s.") % {"n": seal.event_count - count, "where": where})
    elif count > seal.event_count:
        broken(_("%(n)d rows were added: %(where)s.") % {"n": count - seal.event_count, "where": where})
    elif not hmac.compare_digest(mac, seal.mac):
        broken(_("Something was changed: %(where)s.") % {"where": where})


def _gap(first: int, last: int) -> str:
    if first == last:
        return _("Seal %(first)d is missing from the database.") % {"first": first}
    return _("Seals %(first)d to %(last)d are missing from the database.") % {"first": first, "last": last}


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
