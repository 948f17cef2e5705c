"""Every letter of every app, written with the most awkward data, read as a stranger at a lock screen would read it.

A new kind of letter fails here until ``SUBJECTS`` says how to make one.
"""

import ast
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes, policy
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from assessments.models import AnswerLink
from clinic import channels, letters
from clinic.actions import outbox
from clinic.letters import SMS_LENGTH, Rendered
from clinic.models import Channel, OutboundMessage, PageCall, Role, StaffInvitation
from patients.models import PortalInvitation
from sessions.models import ChangeRequest, Reminder, WaitlistEntry, WaitlistOffer
from tests import factories as make
from tests.cast import Cast

ROOT = Path(__file__).resolve().parents[1]
NOON = make.NOON
VISIT_LETTERS = [
    "visit_confirmation", "visit_moved", "visit_in_a_week", "visit_in_three_days", "visit_tomorrow", "visit_cancelled",
]  # fmt: skip

AWKWARD = {
    "long": "Maximiliana-Alexandrina" * 3,
    "emoji": "Pat 🦋🦋",
    "rtl": "\u202egnimrahc دانا",
    "template": "{{ secret.token }}{% url 'x' %}",
    "headers": "Pat\r\nBcc: everybody@post.example\r\n\r\nbody",
    "script": "<script>alert(1)</script>",
    "link": "Win at http://evil.example/now",
    "quote": "O'Brien & Sons",
    "null": "Pa\x0bt",
}
ALIASES = {
    "plain": "Juniper Street",
    "long": "J" * 40,
    "headers": "Juniper\r\nBcc: everybody@post.example",
    "quote": 'Juniper "Street", <x@y.example> & Co',
}


def visit_subject(cast: Cast) -> uuid.UUID:
    return make.make_appointment(cast.pat, cast.intake, cast.dana, NOON + timedelta(days=20)).pk


def wish_subject(cast: Cast) -> uuid.UUID:
    return ChangeRequest.objects.create(
        appointment_id=visit_subject(cast), wish="change", status="refused", answer="Your therapist is away: no dose then.",
        asked_by=cast.pat_user, asked_at=NOON, answered_by=cast.frida, answered_at=NOON,
    ).pk  # fmt: skip


def offer_subject(cast: Cast) -> uuid.UUID:
    entry = WaitlistEntry.objects.create(
        patient=cast.pat, location=cast.denver, visit_type_code="intake", first_day=NOON.date(), last_day=NOON.date(),
        made_by=cast.pat_user, made_at=NOON,
    )  # fmt: skip
    return WaitlistOffer.objects.create(
        entry=entry, appointment_id=visit_subject(cast), offered_by=cast.frida, offered_at=NOON,
        expires_at=NOON + timedelta(minutes=30),
    ).pk  # fmt: skip


def staff_invitation(cast: Cast) -> uuid.UUID:
    return StaffInvitation.objects.create(
        email="new@juniper.example", name=cast.pat.given_name[:120], location=cast.denver, role=Role.NURSE,
        token_hash="x", invited_by=cast.ada, invited_at=NOON, expires_at=NOON + timedelta(days=7),
    ).pk  # fmt: skip


def portal_invitation(cast: Cast) -> uuid.UUID:
    return PortalInvitation.objects.create(
        patient=cast.pat, email=cast.pat.email, token_hash="x", invited_by=cast.frida, invited_at=NOON,
        expires_at=NOON + timedelta(days=7),
    ).pk  # fmt: skip


def answer_link(cast: Cast) -> uuid.UUID:
    return AnswerLink.objects.create(
        request=make.make_request(cast.pat), token_hash="x", address=cast.pat.email, made_at=NOON,
        expires_at=NOON + timedelta(days=7),
    ).pk  # fmt: skip


def page_call(cast: Cast) -> uuid.UUID:
    page = make.make_page(cast.denver)
    return PageCall.objects.create(page=page, user=cast.theo, rung=0, called_at=NOON).pk


# How to make a subject, and what secret goes with it.
Subject = tuple[Callable[[Cast], uuid.UUID], dict[str, str] | None]
SUBJECTS: dict[str, Subject] = {
    "packet_invitation": (lambda cast: make.make_packet(cast.pat, cast.frida).pk, None),
    **dict.fromkeys(VISIT_LETTERS, (visit_subject, None)),
    "sign_in_code": (lambda cast: cast.pat_user.pk, {"code": "ABC-DEF"}),
    "password_reset": (lambda cast: cast.dana.pk, {"url": "http://localhost:8000/account/password/reset/key/x-y/"}),
    "security_notice": (lambda cast: cast.dana.pk, {"event": "password_changed"}),
    "signing_code": (lambda cast: cast.pat_user.pk, {"code": "BCD-FGH"}),
    "page": (page_call, None),
    "staff_invitation": (staff_invitation, {"token": "t0ken"}),
    "address_changed": (lambda cast: cast.pat.pk, None),
    "consent_copy": (lambda cast: make.make_consent(cast.pat, make.make_consent_text(cast.dana, cast.denver)).pk, None),
    "enquiry_received": (lambda cast: cast.rosa.pk, None),
    "portal_invitation": (portal_invitation, {"token": "t0ken"}),
    "questionnaire_asked": (lambda cast: make.make_request(cast.pat).pk, None),
    "questionnaire_nudge": (lambda cast: make.make_request(cast.pat).pk, None),
    "questionnaire_link": (answer_link, {"token": "t0ken"}),
    "read_now": (lambda cast: cast.pat.pk, None),
    "wish_answered": (wish_subject, None),
    "time_offered": (offer_subject, None),
    "request_answered": (lambda cast: make.make_visit_request(cast.pat, cast.pat_user).pk, None),
}
KINDS = [letter.kind for letter in letters.all_letters()]


def write(cast: Cast, kind: str, channel: Channel = Channel.EMAIL) -> Rendered:
    subject, secret = SUBJECTS[kind]
    message = outbox.queue(
        by=cast.frida, kind=kind, channel=channel, subject_type="x", subject_id=subject(cast), secret=secret,
        location_id=cast.denver.pk, now=NOON,
        to=outbox.Recipient(
            kind=OutboundMessage.RecipientKind.PATIENT, id=cast.pat.pk, address=cast.pat.email,
            tz=ZoneInfo("America/Denver"),
        ),
    )  # fmt: skip
    return letters.render(message)


def call_everybody(cast: Cast, name: str) -> None:
    for who in (cast.pat, cast.rosa):
        who.given_name = name[:80]
    cast.pat.chosen_name = name[:80]
    cast.pat.save(update_fields=["given_name", "chosen_name"])
    cast.rosa.save(update_fields=["given_name"])
    cast.ada.name = name[:80]
    cast.ada.save(update_fields=["name"])


class Page(HTMLParser):
    """The parts of a letter's HTML that would load something or run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def test_every_letter_is_tried() -> None:
    assert set(KINDS) == set(SUBJECTS), "Say in SUBJECTS how to make the new letter."


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names(cast: Cast, kind: str, name: str) -> None:
    call_everybody(cast, AWKWARD[name])
    letter = write(cast, kind)
    assert letter.subject == "A message from Juniper Street"
    assert letter.text.startswith("Hello")
    page = Page(letter.html)
    assert not page.tags & {"script", "img", "link", "iframe", "form", "object", "svg", "video"}
    assert not [
        name for name, _value in page.attributes if name.startswith("on") or name in {"src", "srcset", "background"}
    ]
    links = [value for name, value in page.attributes if name == "href"]
    assert all(link.startswith(("http://localhost:8000/", "tel:")) for link in links), links
    for text in (letter.text, letter.html):
        assert "evil.example" not in text
        assert "{{" not in text
        assert "{%" not in text
        assert "everybody@post" not in text
    assert "url(" not in letter.html
    assert "@import" not in letter.html


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_gives_away_what_the_clinic_does(cast: Cast, kind: str) -> None:
    letter = write(cast, kind)
    for part in (
        letter.subject,
        letter.text,
        re.sub(r"<style>.*?</style>", "", letter.html, flags=re.S),
        letter.sender,
    ):
        assert letters.revealing_words(part) == []
    assert cast.pat.family_name not in letter.text + letter.html
    assert cast.pat.mrn not in letter.text + letter.html
    assert cast.dana.name not in letter.text + letter.html or kind == "staff_invitation"
    # Behind the sign-in only: what kind of visit it is, and with whom.
    assert cast.intake.patient_name not in letter.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alias", ALIASES)
def test_awkward_aliases_as_they_leave(cast: Cast, kind: str, alias: str) -> None:
    """The whole letter as bytes on the wire, read back by a mail reader: one subject, one sender, one reader."""
    cast.denver.alias = ALIASES[alias]
    cast.denver.save(update_fields=["alias"])
    letter = write(cast, kind)
    mail = channels._mail(letter, None)
    read = message_from_bytes(mail.message().as_bytes(), policy=policy.default)
    assert read["Subject"] == f"A message from {' '.join(ALIASES[alias].split())}"
    assert read["To"] == cast.pat.email
    assert read["Bcc"] is None
    assert len(read["From"].addresses) == 1
    assert read["From"].addresses[0].addr_spec == "post@juniper.example"
    assert {part.get_content_type() for part in read.iter_parts()} == {"text/plain", "text/html"}


@pytest.mark.parametrize("kind", VISIT_LETTERS)
@pytest.mark.parametrize("alias", ALIASES)
def test_texts_fit_one_message(cast: Cast, kind: str, alias: str) -> None:
    cast.denver.alias = ALIASES[alias]
    cast.denver.phone = "+1 (303) 555-0100 x1"
    cast.denver.save(update_fields=["alias", "phone"])
    text = write(cast, kind, Channel.SMS).sms
    assert len(text) <= SMS_LENGTH, len(text)
    assert "\n" not in text
    assert letters.revealing_words(text) == []
    assert text.startswith(" ".join(ALIASES[alias].split()))
    assert "STOP" in text


@pytest.mark.parametrize("alias", ALIASES)
def test_a_text_to_staff_fits_one_message(cast: Cast, alias: str) -> None:
    """An urgent page to a colleague: nobody opts out of it, so nothing about STOP."""
    cast.denver.alias = ALIASES[alias]
    cast.denver.save(update_fields=["alias"])
    text = write(cast, "page", Channel.SMS).sms
    assert len(text) <= SMS_LENGTH, len(text)
    assert letters.revealing_words(text) == []
    assert "http://localhost:8000/pages/" in text


def test_what_a_letter_about_a_visit_says(cast: Cast) -> None:
    letter = write(cast, "visit_tomorrow")
    for part in ("Hello Pat,", "Tuesday, 2 February 2027", "09:00 MST", "Juniper Street, 12 Juniper Street, Denver"):
        assert part in letter.text
    assert "where you are" not in letter.text
    assert "http://localhost:8000/portal/" in letter.text
    assert "(303) 555-0100" in letter.text
    assert "&" not in letter.text


def test_an_apostrophe_is_one(cast: Cast) -> None:
    call_everybody(cast, "D'Arcy")
    letter = write(cast, "visit_tomorrow")
    assert "Hello D'Arcy," in letter.text
    assert "Hello D&#x27;Arcy," in letter.html


def test_without_a_portal_there_is_only_the_phone(cast: Cast) -> None:
    cast.pat.portal_user = cast.pat.portal_since = None
    cast.pat.save(update_fields=["portal_user", "portal_since"])
    letter = write(cast, "visit_tomorrow")
    assert "http" not in letter.text
    assert "If the time does not suit you, call us: (303) 555-0100" in letter.text


def test_both_zones_where_they_differ(cast: Cast) -> None:
    """Where they agree, as Phoenix and Denver do in winter, one time is enough."""
    cast.pat.time_zone = "America/Phoenix"
    cast.pat.save(update_fields=["time_zone"])
    cast.denver.time_zone = "America/Chicago"
    cast.denver.save(update_fields=["time_zone"])
    letter = write(cast, "visit_confirmation")
    assert "10:00 CST" in letter.text
    assert "(09:00 MST where you are)" in letter.text


def test_a_street_that_tells_is_left_out(cast: Cast) -> None:
    cast.denver.street = "1 Ketamine Plaza"
    cast.denver.save(update_fields=["street"])
    letter = write(cast, "visit_tomorrow")
    assert "Plaza" not in letter.text + letter.html


@pytest.mark.parametrize(
    ("name", "greeted"),
    [
        ("Pat", "Pat"), ("D'Arcy", "D'Arcy"), ("Zoë-Ann", "Zoë-Ann"), ("دانا", "دانا"), ("J. R.", "J. R."), ("", ""),
        ("see evil.example", ""), ("http://evil", ""), ("www evil", ""), ("call 5550100", ""), ("<b>Pat</b>", ""),
        ("Ketamine", ""), ("x" * 41, ""), ("a@b", ""),
    ],
)  # fmt: skip
def test_greeting_name(name: str, greeted: str) -> None:
    assert letters.greeting_name(name) == greeted


@pytest.mark.parametrize(
    "text",
    ["your KAP session", "Ketamine", "psychedelic", "the next dose", "Dosing room", "a diagnosis", "PHQ-9", "your therapist",
     "bring your escort", "score", "mental health", "Anxiety", "in pain", "mood", "Drugs", "GAD-7", "gad7", "rehab", "the lozenges",
     "dosage", "doses", "medication", "PTSD", "psilocybin", "_ketamine_", "Substance use"],
)  # fmt: skip
def test_revealing_words_are_found(text: str) -> None:
    assert letters.revealing_words(text)


@pytest.mark.parametrize(
    "text",
    [
        "Juniper Street",
        "see you tomorrow",
        "Please do close the door",
        "Skapa",
        "Painter Street",
        "Moody",
        "Gad",
        "Drugget Lane",
        "Doser",
    ],
)
def test_innocent_words_are_not(text: str) -> None:
    assert letters.revealing_words(text) == []


def _codes_in(path: Path) -> set[str]:
    """Return the reasons that an action gives the post in clear: ``outbox.void(reason="code")``."""
    calls = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("outbox.", "reminders."))
    ]
    return {
        word.value.value
        for call in calls
        for word in call.keywords
        if word.arg == "reason" and isinstance(word.value, ast.Constant) and isinstance(word.value.value, str)
    }


def test_every_reason_has_a_sentence() -> None:
    known = set(OutboundMessage.Reason.values) | set(Reminder.Reason.values)
    for letter in letters.all_letters():
        known |= set(letter.reasons)
    for code in known:
        texts = {letters.reason_text(letter.kind, code) for letter in letters.all_letters()}
        assert any(text.endswith(".") and " " in text for text in texts), code
    used = {
        (path.relative_to(ROOT).as_posix(), code)
        for app in ("clinic", "patients", "sessions")
        for path in (ROOT / app / "actions").rglob("*.py")
        for code in _codes_in(path)
    }
    assert {(path, code) for path, code in used if code not in known} == set()


@pytest.mark.parametrize("code", OutboundMessage.Reason.values)
def test_the_posts_own_reasons_hold_for_every_letter(code: str) -> None:
    assert letters.reason_text("no_such_letter", code).endswith(".")
