"""How consents, their words and their proof are shown: strings made here, so that templates need not think."""

from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import localtime
from patients.actions import consents as actions
from patients.consentneeds import Standing, State, name_of
from patients.models import Consent, ConsentKind, ConsentText, ConsentWithdrawal, Patient

from .lines import birth_text

# The look of the status vocabulary, and the word.
LOOKS: dict[State, tuple[str, Any]] = {
    State.SIGNED: ("done", gettext_lazy("Signed")),
    State.EXPIRING: ("due", gettext_lazy("Runs out soon")),
    State.TO_SIGN: ("planned", gettext_lazy("To sign")),
    State.EXPIRED: ("late", gettext_lazy("Ran out")),
    State.CHANGED: ("due", gettext_lazy("New words: sign again")),
    State.WITHDRAWN: ("blocked", gettext_lazy("Taken back")),
}

# What taking a consent back does, said before it is done (docs/decisions/0028-consent.md).
CONSEQUENCES: dict[ConsentKind, list[Any]] = {
    ConsentKind.KETAMINE: [
        gettext_lazy("From now on you get no dose of this medicine in this way."),
        gettext_lazy("Your visits stay in the book. None is cancelled without a word with you."),
        gettext_lazy("Psychotherapy goes on, if you want it to."),
    ],
    ConsentKind.TREATMENT: [
        gettext_lazy("From now on you get no dose."),
        gettext_lazy("Your visits stay in the book. None is cancelled without a word with you."),
        gettext_lazy("We cannot go on treating you without this consent. We talk with you about what comes next."),
    ],
    ConsentKind.TELEHEALTH: [
        gettext_lazy("From now on your visits are here in the clinic."),
        gettext_lazy("Visits by video stay in the book until we have found another way with you."),
    ],
    ConsentKind.COMMUNICATIONS: [
        gettext_lazy("From now on we write to you about nothing. All that you ticked under “Me” is unticked."),
        gettext_lazy("Codes to sign in and answers to your own messages still reach you."),
    ],
    ConsentKind.RELEASE: [
        gettext_lazy("From now on we share nothing under this permission."),
        gettext_lazy("What was shared before cannot be called back."),
    ],
}
CALLED = gettext_lazy("One of our clinicians calls you, at the latest on the next day that we are open.")


def standing_line(row: Standing, patient: Patient) -> dict[str, Any]:
    """Return one consent as a row: its state in a word, and since or until when."""
    look, word = LOOKS[row.state]
    if row.state == State.TO_SIGN and not row.is_asked:
        look, word = "not_assessed", gettext_lazy("Not signed")
    tz = patient.home_location.tz
    return {
        "name": row.name, "look": look, "word": word, "when": _when(row, tz), "is_asked": row.is_asked, "text": row.text,
        "consent": row.consent, "to_sign": row.may_be_signed, "can_be_withdrawn": row.can_be_withdrawn,
    }  # fmt: skip


def _when(row: Standing, tz: ZoneInfo) -> str:
    consent = row.consent
    if consent is None:
        return ""
    signed = localtime.day_text(localtime.day_of(consent.signed_at, tz))
    ends = localtime.day_text(localtime.day_of(consent.expires_at, tz))
    if row.state.counts:
        return _("Signed on %(signed)s, good until %(ends)s") % {"signed": signed, "ends": ends}
    if row.withdrawn_at is not None:
        moment = localtime.moment_text(row.withdrawn_at, tz)
        return _("Signed on %(signed)s, taken back %(moment)s") % {"signed": signed, "moment": moment}
    if row.state == State.EXPIRED:
        return _("Signed on %(signed)s, ran out on %(ends)s") % {"signed": signed, "ends": ends}
    return _("Signed on %(signed)s; the words have changed since") % {"signed": signed}


def copy_of(consent: Consent) -> dict[str, Any]:
    """Return everything a copy shows: the words that were signed, by whom, how, and the beginning of their hash."""
    tz, signature = consent.patient.home_location.tz, consent.signature
    text = consent.text
    digest = signature.content_hash[:16]
    back = ConsentWithdrawal.objects.filter(consent=consent).first()
    return {
        "consent": consent,
        "text": text,
        "name": name_of(text.kind, text.route),
        "version": version_text(text),
        "signed": localtime.moment_text(consent.signed_at, tz),
        "until": localtime.day_text(localtime.day_of(consent.expires_at, tz)),
        "how": _how(consent),
        "who": _("%(name)s, who saw it signed") % {"name": signature.signer.name} if _is_paper(consent) else "",
        "beside": signature.beside.name if signature.beside else "",
        "back_text": localtime.moment_text(back.withdrawn_at, tz) if back else "",
        "legal_name": consent.patient.legal_name,
        "born": birth_text(consent.patient.birth_date),
        "digest": " ".join(digest[i : i + 4] for i in range(0, len(digest), 4)),
        "is_whole": actions.is_whole(consent),
        "location": consent.patient.home_location,
    }


def _is_paper(consent: Consent) -> bool:
    return consent.how == Consent.How.PAPER


def _how(consent: Consent) -> str:
    if _is_paper(consent):
        return _("on paper, before a witness")
    way = consent.signature.get_method_display()
    return _("%(where)s, with a %(method)s") % {"where": consent.get_how_display(), "method": way}


def version_text(text: ConsentText) -> str:
    """Return which words these are: "version 2, English"."""
    language = {"en": _("English"), "es": _("Spanish")}.get(text.language, text.language)
    return _("version %(number)d, %(language)s") % {"number": text.version, "language": language}
