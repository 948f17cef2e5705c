"""The letters about visits: what each one says, and the last question before it leaves.

Everything in them is fit for a lock screen: a first name, a day, a time with its zone, a place with a neutral name, a
phone number and a link to the sign-in. What the visit is, with whom and what to prepare is behind that sign-in.
"""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from clinic import letters, localtime
from clinic.letters import Letter
from clinic.models import Category, OutboundMessage, User
from sessions.actions import reminders, visitrequests, waitlist, wishes
from sessions.models import Appointment, ChangeRequest, Reminder, VisitRequest, WaitlistOffer

KINDS = {
    "visit_confirmation": _("Visit booked"),
    "visit_moved": _("Visit moved"),
    "visit_in_a_week": _("A week before the visit"),
    "visit_in_three_days": _("Three days before the visit"),
    "visit_tomorrow": _("The day before the visit"),
    "visit_cancelled": _("Visit cancelled"),
}


def _read_visit(message: OutboundMessage) -> Appointment:
    return Appointment.objects.select_related("location", "patient", "patient__home_location").get(
        pk=message.subject_id
    )


def _visit(message: OutboundMessage) -> Appointment:
    """Return the visit a letter is about: of a letter in hand as it was read, else as it is now."""
    return message.subject or _read_visit(message)


def visit_context(message: OutboundMessage) -> dict[str, Any]:
    """Return the words of a letter about a visit: its day, time and zone at the clinic, and where the reader is."""
    return _words(_visit(message))


def _words(visit: Appointment) -> dict[str, Any]:
    here, there = visit.location.tz, visit.patient.tz
    local, elsewhere = visit.starts_at.astimezone(here), visit.starts_at.astimezone(there)
    is_elsewhere = local.utcoffset() != elsewhere.utcoffset()
    address = visit.location.address
    return {
        "called": letters.greeting_name(visit.patient.called),
        "day": localtime.long_day_text(local.date()),
        "short_day": localtime.day_text(local.date()),
        "time": localtime.clock_text(visit.starts_at, here),
        "zone": localtime.zone_text(visit.starts_at, here),
        "time_there": localtime.clock_text(visit.starts_at, there) if is_elsewhere else "",
        "zone_there": localtime.zone_text(visit.starts_at, there) if is_elsewhere else "",
        "address": "" if letters.revealing_words(address) else address,
        "link": settings.SITE_URL + reverse("sessions:portal_home") if visit.patient.has_portal else "",
    }


def _read_wished(message: OutboundMessage) -> Appointment:
    wish = ChangeRequest.objects.select_related(
        "appointment__location", "appointment__patient__home_location"
    ).get(pk=message.subject_id)  # fmt: skip
    return wish.appointment


def _wished(message: OutboundMessage) -> Appointment:
    """Return the visit that an answered wish was about: of a letter in hand as it was read, else as it is now."""
    return message.subject or _read_wished(message)


def wish_context(message: OutboundMessage) -> dict[str, Any]:
    """Return the words of the letter that says a wish was answered: the visit as it stays, nothing of the answer."""
    return _words(_wished(message))


def wish_still_wanted(message: OutboundMessage, now: datetime) -> str:
    """Return why the letter about an answered wish should not go: the visit was moved, cancelled or is over since.

    It answers the patient's own message, so it asks no consent.
    """
    return reminders.why_not(
        visit=_wished(message), kind=message.kind, channel=message.channel, schedule_version=message.schedule_version,
        has_consent=True, now=now,
    )  # fmt: skip


def wish_address_now(message: OutboundMessage) -> str:
    """Return the patient's present address."""
    return reminders.address_of(visit=_wished(message), channel=message.channel)


def visit_still_wanted(message: OutboundMessage, now: datetime) -> str:
    """Return why a letter about a visit should no longer go: moved, cancelled, begun, no consent, no patient to write to."""
    visit = _visit(message)
    return reminders.why_not(
        visit=visit, kind=message.kind, channel=message.channel, schedule_version=message.schedule_version,
        has_consent=reminders.has_consent(visit=visit, channel=message.channel), now=now,
    )  # fmt: skip


def visit_address_now(message: OutboundMessage) -> str:
    """Return the patient's present address: a letter about a visit follows its reader."""
    return reminders.address_of(visit=_visit(message), channel=message.channel)


def visit_not_sent(by: User, message: OutboundMessage, reason: str, now: datetime) -> None:
    """Have somebody phone a patient who would otherwise wait for the last word on a visit."""
    reminders.call_instead(by=by, message=message, reason=reason, now=now)


def wish_not_sent(by: User, message: OutboundMessage, reason: str, now: datetime) -> None:
    """Have somebody phone a patient whom no letter can tell that there is an answer."""
    wishes.call_instead(by=by, message=message, reason=reason, now=now)


def _read_offer(message: OutboundMessage) -> WaitlistOffer:
    return WaitlistOffer.objects.select_related(
        "appointment__location", "appointment__patient__home_location"
    ).get(pk=message.subject_id)  # fmt: skip


def _offer(message: OutboundMessage) -> WaitlistOffer:
    """Return the offer a letter is about: of a letter in hand as it was read, else as it is now."""
    return message.subject or _read_offer(message)


def offer_context(message: OutboundMessage) -> dict[str, Any]:
    """Return the words of the letter that says a time is free: its day and time, and until when it is kept."""
    offer = _offer(message)
    visit = offer.appointment
    words = _words(visit)
    until, tz = offer.expires_at, visit.patient.tz
    return {
        **words,
        "until": f"{localtime.clock_text(until, tz)} {localtime.zone_text(until, tz)}",
        "link": settings.SITE_URL + reverse("sessions:portal_waitlist") if words["link"] else "",
    }


def offer_still_wanted(message: OutboundMessage, now: datetime) -> str:
    """Return why the letter about a free time should not go: it was answered, ran out, or they said no to such letters."""
    return waitlist.why_not(offer=_offer(message), now=now)


def offer_address_now(message: OutboundMessage) -> str:
    """Return the patient's present address."""
    return reminders.address_of(visit=_offer(message).appointment, channel=message.channel)


def offer_not_sent(by: User, message: OutboundMessage, _reason: str, now: datetime) -> None:
    """Have somebody phone a patient whom no letter tells of the time, while it is kept for them."""
    waitlist.call_instead(by=by, message=message, now=now)


def _read_request(message: OutboundMessage) -> VisitRequest:
    return VisitRequest.objects.select_related("location", "patient__home_location").get(pk=message.subject_id)


def _request(message: OutboundMessage) -> VisitRequest:
    """Return the request a letter answers: of a letter in hand as it was read, else as it is now."""
    return message.subject or _read_request(message)


def request_context(message: OutboundMessage) -> dict[str, Any]:
    """Return the words of the letter that says a request was answered: nothing of what was asked, and nothing of the answer."""
    patient = _request(message).patient
    return {
        "called": letters.greeting_name(patient.called),
        "link": settings.SITE_URL + reverse("sessions:ask_visit") if patient.has_portal else "",
    }


def request_still_wanted(message: OutboundMessage, _now: datetime) -> str:
    """Return why the letter about an answer should not go: there is nobody to write to. It answers them, so it asks no consent."""
    patient = _request(message).patient
    if not patient.gets_letters:
        return Reminder.Reason.PATIENT_STATE
    return "" if patient.email else Reminder.Reason.NO_ADDRESS


def request_address_now(message: OutboundMessage) -> str:
    """Return the patient's present address."""
    return _request(message).patient.email


def request_not_sent(by: User, message: OutboundMessage, reason: str, now: datetime) -> None:
    """Have somebody phone a patient whom no letter can tell that there is an answer."""
    if reason in {Reminder.Reason.NO_ADDRESS, OutboundMessage.Reason.SUPPRESSED}:
        visitrequests.call_instead(by=by, request=_read_request(message), now=now)


def register_own() -> None:
    """Declare this app's letters in clinic.letters."""
    for kind, label in KINDS.items():
        letters.register(
            Letter(
                kind=kind, label=label, folder=f"sessions/letters/{kind}", category=Category.VISIT,
                subject=_read_visit, context=visit_context, still_wanted=visit_still_wanted, address_now=visit_address_now,
                not_sent=visit_not_sent,
                reasons=dict(Reminder.Reason.choices),
            )
        )  # fmt: skip
    letters.register(
        Letter(
            kind=wishes.ANSWERED, label=_("Your wish is answered"), folder=f"sessions/letters/{wishes.ANSWERED}",
            category=Category.REPLY, subject=_read_wished, context=wish_context, still_wanted=wish_still_wanted, address_now=wish_address_now,
            not_sent=wish_not_sent,
            reasons=dict(Reminder.Reason.choices),
        )
    )  # fmt: skip
    letters.register(
        Letter(
            kind=waitlist.LETTER, label=_("A time is free"), folder=f"sessions/letters/{waitlist.LETTER}",
            category=Category.WAITLIST, subject=_read_offer, context=offer_context, still_wanted=offer_still_wanted,
            address_now=offer_address_now, not_sent=offer_not_sent,
            reasons=dict(Reminder.Reason.choices),
        )
    )  # fmt: skip
    letters.register(
        Letter(
            kind=visitrequests.ANSWERED, label=_("Your request is answered"),
            folder=f"sessions/letters/{visitrequests.ANSWERED}", category=Category.REPLY, subject=_read_request,
            context=request_context, still_wanted=request_still_wanted, address_now=request_address_now,
            not_sent=request_not_sent, reasons=dict(Reminder.Reason.choices),
        )
    )  # fmt: skip
