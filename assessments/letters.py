"""The letters of this floor. None of them says what is asked, or what is treated here."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from assessments import answerletters, askedletters
from assessments.actions import packets
from assessments.models import Packet
from clinic import letters, localtime
from clinic.models import Category, OutboundMessage, User
from patients.models import ContactPreference

PACKET_OVER = "packet_over"
NO_PORTAL = "no_portal"
LIFE_STATE = "life_state"
NO_CONSENT = "no_consent"


def _packet(message: OutboundMessage) -> Packet:
    return Packet.objects.select_related("patient__home_location").get(pk=message.subject_id)


def packet_context(message: OutboundMessage) -> dict[str, Any]:
    """Return the words of the letter that a packet is out: whom it greets, until when there is time, and where it is."""
    packet = _packet(message)
    return {
        "called": letters.greeting_name(packet.patient.called),
        "runs_out": localtime.long_day_text(packets.last_day(packet, packet.patient.tz)),
        "link": settings.SITE_URL + reverse("assessments:my_packet"),
    }


def packet_still_wanted(message: OutboundMessage, now: datetime) -> str:
    """Return why the letter should no longer go: the packet is over, nobody could open it, or nobody agreed to be written to."""
    packet = _packet(message)
    patient = packet.patient
    if packets.is_over(packet, now):
        return PACKET_OVER
    if not patient.gets_letters:
        return LIFE_STATE
    if not packets.has_way_in(patient, now):
        return NO_PORTAL
    agreed = ContactPreference.objects.allows(patient, Category.VISIT, message.channel)
    return "" if agreed else NO_CONSENT


def packet_address_now(message: OutboundMessage) -> str:
    """Return the patient's present address: the letter follows its reader."""
    return str(_packet(message).patient.email)


def packet_not_sent(by: User, message: OutboundMessage, reason: str, now: datetime) -> None:
    """Have somebody phone a patient who would otherwise not know that a packet waits for them."""
    packets.call_instead(by=by, packet=_packet(message), now=now)


def register_own() -> None:
    """Declare this app's letters in clinic.letters."""
    askedletters.register()
    letters.register(
        letters.Letter(
            kind=packets.LETTER,
            label=_("Something to fill in before the first visit"),
            folder="assessments/letters/packet_invitation",
            category=Category.VISIT,
            context=packet_context,
            still_wanted=packet_still_wanted,
            address_now=packet_address_now,
            not_sent=packet_not_sent,
            reasons={
                PACKET_OVER: _("The packet was handed in, taken back or ran out before the letter left."),
                NO_PORTAL: _("The patient cannot open the portal, where the packet is."),
                LIFE_STATE: _("The patient was discharged or has died."),
                NO_CONSENT: _("The patient did not agree to letters about visits by this channel."),
            },
        )
    )
    answerletters.register()
