"""How far the intake packets of many patients are, in words for the desk: a column of their query, and nothing that was answered."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce, JSONObject
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


def column(patient: str) -> Subquery:
    """Return a column for a query whose rows name a patient by ``patient``: their newest packet, for ``said_of``; null for none."""
    done = PacketSection.objects.filter(packet=OuterRef("pk"), done_at__isnull=False).order_by().values("packet")
    parts_done = Coalesce(Subquery(done.annotate(n=Count("id")).values("n"), IntegerField()), 0)
    newest = Packet.objects.filter(patient=OuterRef(patient)).order_by("-invited_at", "-id")
    return Subquery(newest.values(said=JSONObject(status="status", expires_at="expires_at", parts_done=parts_done))[:1])


def said_of(newest: Mapping[str, Any] | None, now: datetime) -> Progress:
    """Return how far a patient's newest packet is, from what ``column`` found; None is whoever never had one."""
    if newest is None:
        return Progress(_("Packet: not sent"), is_out=False, is_in=False)
    packet = Packet(status=newest["status"], expires_at=datetime.fromisoformat(newest["expires_at"]))
    return _progress(packet, newest["parts_done"], now)


def _progress(packet: Packet, parts_done: int, now: datetime) -> Progress:
    if packet.status == Status.SUBMITTED:
        return Progress(_("Packet handed in"), is_out=False, is_in=True)
    if packet.status == Status.WITHDRAWN:
        return Progress(_("Packet: taken back"), is_out=False, is_in=False)
    if packets.is_over(packet, now):
        return Progress(_("Packet: ran out"), is_out=False, is_in=False)
    if packet.status == Status.INVITED:
        return Progress(_("Packet: not begun"), is_out=True, is_in=False)
    words = _("Packet: %(done)d of %(all)d parts") % {"done": parts_done, "all": len(SECTIONS)}
    return Progress(words, is_out=True, is_in=False)
