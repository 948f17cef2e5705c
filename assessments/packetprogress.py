"""How far the intake packets of many patients are, in words for the desk: one query, and nothing of what was answered."""

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from assessments.actions import packets
from assessments.models import Packet, PacketSection
from assessments.packetparts import SECTIONS

Status = Packet.Status


class Progress(NamedTuple):
    """The words, whether the packet is still out, and whether all that is asked of it was done."""

    words: str
    is_out: bool
    is_in: bool


def not_sent() -> Progress:
    """Return what is said of whoever never had a packet."""
    return Progress(_("Packet: not sent"), is_out=False, is_in=False)


def of_many(patient_ids: Collection[uuid.UUID], now: datetime) -> dict[uuid.UUID, Progress]:
    """Return how far each patient's newest packet is; whoever never had one is left out."""
    done = PacketSection.objects.filter(packet=OuterRef("pk"), done_at__isnull=False).order_by().values("packet")
    newest = (
        Packet.objects.filter(patient_id__in=patient_ids)
        .annotate(parts_done=Coalesce(Subquery(done.annotate(n=Count("id")).values("n"), IntegerField()), 0))
        .order_by("patient_id", "-invited_at", "-id")
        .distinct("patient_id")
    )
    return {packet.patient_id: _progress(packet, now) for packet in newest}


def _progress(packet: Packet, now: datetime) -> Progress:
    if packet.status == Status.SUBMITTED:
        return Progress(_("Packet handed in"), is_out=False, is_in=True)
    if packet.status == Status.WITHDRAWN:
        return Progress(_("Packet: taken back"), is_out=False, is_in=False)
    if packets.is_over(packet, now):
        return Progress(_("Packet: ran out"), is_out=False, is_in=False)
    if packet.status == Status.INVITED:
        return Progress(_("Packet: not begun"), is_out=True, is_in=False)
    parts_done: int = packet.parts_done  # type: ignore[attr-defined]  # annotated above
    words = _("Packet: %(done)d of %(all)d parts") % {"done": parts_done, "all": len(SECTIONS)}
    return Progress(words, is_out=True, is_in=False)
