"""Answering a questionnaire: one flow of pages, however somebody got here. Who may be here, the three ways in decide:
``views/requests.py`` on the portal, ``views/links.py`` by a letter, ``views/kiosk.py`` at the clinic.

Every page is a plain form that saves on the server; scripts only save earlier. What goes wrong while answers are handed
in never hides the numbers to call (docs/decisions/0024-answering.md).
"""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import structlog
from django.http import HttpRequest, HttpResponse, QueryDict

from assessments import definitions, merging, safety, wordings
from assessments.actions import calling_help, requests, responses
from assessments.actions.requests import NotForPatients
from assessments.answersheet import Sheet, field_name
from assessments.instrument import Item, Kind
from assessments.models import AssessmentRequest, AssessmentResponse, RiskAlert
from clinic import localtime
from clinic.actions import system
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, OurRequest, answer, go_to
from clinic.logs import trail
from clinic.models import EnrolledDevice, User, new_id
from patients import crisis

log = structlog.get_logger(__name__)

# What a page was made from, sent back with it. Under this name a form that arrived too late gives it back (clinic.keptforms).
SEEN = "version"
# Which window speaks, and the how-manieth time (static/js/turns.js).
KEY = "entry_key"
# More than any page of ours sends.
LONGEST_SEEN = 60_000
NOT_DONE = 503


@dataclass(frozen=True)
class Way:
    """How somebody answers: which page they are on, how it looks, where it goes on, and in whose name it is written."""

    mode: AssessmentResponse.Mode
    url: str
    layout: str
    home_url: str
    home_label: str
    # Where it goes on after answers that alarm nobody, and what is tidied up after any.
    finish_url: str
    settle: Callable[[], object] = lambda: None
    by: User | None = None
    device: EnrolledDevice | None = None
    # Seconds after which an untouched screen goes back to its start; 0 where nothing does so by itself.
    idle: int = 0

    @property
    def is_kiosk(self) -> bool:
        return self.device is not None

    def to(self, **query: str) -> str:
        """Return the address of a page of the flow. Only the id of a question is ever in it, never an answer."""
        return f"{self.url}?{urlencode(query)}" if query else self.url


def page(request: OurRequest, way: Way, asked: AssessmentRequest) -> HttpResponse:
    """Return the page somebody is on, or take what they sent."""
    if request.method == "POST" and request.POST.get("danger") == "yes":
        # Whether the questions are still open does not matter to somebody in danger.
        return _danger_said(request, way, asked)
    try:
        requests.must_be_answerable(asked, request.now)
        sheet = sheet_of(asked, request)
    except Refused as refusal:
        # Sent twice, or from a second window: the answers are in, and the same words follow.
        if asked.is_done and "hand_in" in request.POST:
            return _hand_in(request, way, asked, None)
        return _closed(request, way, asked, refusal)
    if request.method == "POST":
        if "hand_in" in request.POST:
            return _hand_in(request, way, asked, sheet)
        if "danger" in request.POST:
            return _danger_said(request, way, asked)
        return _save(request, way, asked, sheet)
    return _show(request, way, asked, sheet)


def sheet_of(asked: AssessmentRequest, request: OurRequest) -> Sheet:
    """Return the questionnaire with its words and what is kept of it. Refuses what patients may not be shown."""
    definition, today = requests.definition_of(asked), localtime.day_of(request.now, asked.patient.home_location.tz)
    held = () if definitions.can_render(definition) else wordings.permissions()
    if not wordings.may_be_sent(definition, held, today):
        raise NotForPatients
    return Sheet(definition, definitions.wording(definition, held, on=today), asked.draft)


def _show(request: OurRequest, way: Way, asked: AssessmentRequest, sheet: Sheet) -> HttpResponse:
    stage, item = request.GET.get("show", ""), request.GET.get("question", "")
    if stage == "check":
        return _check(request, way, asked, sheet)
    if stage == "all":
        return _all(request, way, asked, sheet)
    if sheet.has(item):
        return _question(request, way, asked, sheet, item)
    if stage == "begin" or not asked.is_begun:
        return _answer(request, "assessments/_answer_begin.html", way, asked, sheet)
    here = asked.position if sheet.has(asked.position) else sheet.asked[0].id
    return _question(request, way, asked, sheet, here, is_back=True)


def _question(
    request: OurRequest, way: Way, asked: AssessmentRequest, sheet: Sheet, item: str, *, status: int = 200, **more: Any
) -> HttpResponse:
    question, before = sheet.question(item), sheet.before(item)
    context = {
        "question": question,
        "seen": _seen_json([question], sheet),
        "entry_key": f"{new_id()}.0",
        "before_url": way.to(question=before) if before else way.to(show="begin"),
        "here": way.to(question=item),
        **more,
    }
    return _answer(request, "assessments/answer_questionnaire.html", way, asked, sheet, context, status=status)


def _all(
    request: OurRequest, way: Way, asked: AssessmentRequest, sheet: Sheet, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = {
        "seen": _seen_json(sheet.questions, sheet), "entry_key": f"{new_id()}.0", "here": way.to(show="all"), **more
    }  # fmt: skip
    return _answer(request, "assessments/_answer_all.html", way, asked, sheet, context, status=status)


def _check(
    request: OurRequest, way: Way, asked: AssessmentRequest, sheet: Sheet, *, status: int = 200, **more: Any
) -> HttpResponse:
    rows = [{"question": question, "url": way.to(question=question.id)} for question in sheet.questions]
    opened = [row for row in rows if row["question"] in sheet.open]
    context = {"rows": rows, "opened": opened, "here": way.url, "revision": asked.revision, **more}
    return _answer(request, "assessments/_answer_check.html", way, asked, sheet, context, status=status)


def _closed(request: OurRequest, way: Way, asked: AssessmentRequest, refusal: Refused) -> HttpResponse:
    """Say why there is nothing to answer. To a form that was sent it is a refusal, with the numbers first."""
    sent = request.method == "POST"
    if sent and _is_letter_of_a_script(request):
        return _beside(request, way, asked, _seen(request.POST), status=UNPROCESSABLE, refusal_now=str(refusal))
    told = "hand_in" in request.POST and _heard_all_the_same(request, asked)
    context = {"said": str(refusal), "reason": asked.settled_reason, "sent": sent, "told": told}
    return _answer(
        request, "assessments/_answer_closed.html", way, asked, None, context, status=UNPROCESSABLE if sent else 200
    )


def _heard_all_the_same(request: OurRequest, asked: AssessmentRequest) -> bool:
    """Return whether people were asked to look, because alarming answers were handed in that nothing takes any more.

    A draft is read by nobody. Whoever pressed the button told us, and believes that we know.
    """
    try:
        if all(signal.is_unknown for signal in safety.signals(requests.definition_of(asked), asked.draft)):
            return False
        responses.call_people(patient=asked.patient, now=request.now)
    except Exception as error:  # whatever it is, the numbers stand on this page
        log.error("words_failed", reason=trail(error))
        return False
    return True


def _answer(
    request: OurRequest,
    template: str,
    way: Way,
    asked: AssessmentRequest,
    sheet: Sheet | None,
    context: dict[str, Any] | None = None,
    *,
    status: int = 200,
    part: str = "",
) -> HttpResponse:
    shared = {
        "layout": way.layout, "way": way, "asked": asked, "sheet": sheet, "home": asked.patient.home_location,
        "begin_url": way.to(show="begin"), "all_url": way.to(show="all"), "check_url": way.to(show="check"),
        "first_url": way.to(question=sheet.asked[0].id) if sheet else "",
    }  # fmt: skip
    return answer(request, template, {**shared, **(context or {})}, status=status, part=part)


def _seen_json(questions: Any, sheet: Sheet) -> str:
    return json.dumps({question.id: sheet.answers.get(question.id) for question in questions})


def _seen(post: QueryDict) -> dict[str, Any]:
    """Return what the page showed: item ids and the answers they had. Anything else comes to nothing."""
    sent = post.get(SEEN, "")
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(sent) if len(sent) <= LONGEST_SEEN else {}
        if isinstance(found, dict):
            return found
    return {}


def _given(sheet: Sheet, post: QueryDict, *, skipped: str) -> dict[str, object]:
    """Return the answers in a form. A choice that was not made says nothing; an emptied text and "leave it open" do."""
    found: dict[str, object] = {}
    for item in sheet.definition.items:
        if item.id == skipped:
            found[item.id] = None
        elif (sent := post.get(field_name(item.id))) is not None:
            found[item.id] = _value(item, sent)
    return found


def _value(item: Item, sent: str) -> object:
    if item.kind is Kind.TEXT:
        # The database cannot keep the one character that no keyboard has.
        return sent.replace("\x00", "").replace("\r\n", "\n").strip() or None
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 6 else sent


def _save(request: OurRequest, way: Way, asked: AssessmentRequest, sheet: Sheet) -> HttpResponse:
    """Keep what was sent and go on. An answer that another window has changed since is shown instead of overwritten."""
    step, item = request.POST.get("next", "forward"), request.GET.get("question", "")
    seen = _seen(request.POST)
    given = _given(sheet, request.POST, skipped=item if step == "skip" else "")
    is_all = request.GET.get("show") == "all"
    try:
        saved = requests.save_draft(
            by=_who(way, asked, request), request=asked, answers=given, seen=seen or None,
            window=merging.Window.read(request.POST[KEY]) if request.POST.get(KEY) else None, position=item if sheet.has(item) else "", now=request.now,
        )  # fmt: skip
    except Refused as refusal:
        if _is_letter_of_a_script(request):
            return _beside(request, way, asked, seen, status=UNPROCESSABLE, refusal_now=str(refusal))
        again = _all if is_all or not sheet.has(item) else _question
        place = () if again is _all else (item,)
        return again(request, way, asked, sheet, *place, status=UNPROCESSABLE, refusal=str(refusal))
    kept = saved.request
    kept.patient = asked.patient
    now_sheet = Sheet(sheet.definition, sheet.wording, kept.draft)
    differing = [question for question in now_sheet.questions if question.id in saved.differing]
    if _is_letter_of_a_script(request):
        # What another window changed stays unseen, so that the form's own button asks about it on a page of its own.
        fresh = {
            q.id: seen[q.id] if q.id in saved.differing else kept.draft.get(q.id)
            for q in now_sheet.questions
            if q.id in seen
        }
        said = "" if differing else localtime.clock_text(request.now, kept.patient.tz)
        return _beside(request, way, kept, fresh, differing_now=differing, saved_at=said)
    if differing:
        if is_all:
            return _all(request, way, kept, now_sheet, status=UNPROCESSABLE, differing=differing)
        return _question(request, way, kept, now_sheet, differing[0].id, status=UNPROCESSABLE, differing=differing)
    # Also what a script kept a second ago: words of danger are asked about when the page is left.
    texts = [value for value in given.values() if isinstance(value, str)]
    onward = _onward(way, now_sheet, item, step, set(seen), is_all)
    if any(crisis.may_mean_danger(text) for text in texts):
        context = {"onward": onward, "here": way.to(question=item) if item else way.url}
        return _answer(request, "assessments/_answer_danger.html", way, kept, now_sheet, context)
    return go_to(request, onward)


def _is_letter_of_a_script(request: OurRequest) -> bool:
    """Return whether a page keeps a change by itself: its answer goes beside the form, and the page stays as it is."""
    htmx = getattr(request, "htmx", None)
    return htmx is not None and bool(htmx) and not htmx.boosted


def _beside(
    request: OurRequest, way: Way, asked: AssessmentRequest, seen: dict[str, Any], *, status: int = 200, **more: Any
) -> HttpResponse:
    """Return the few lines beside the form that say whether a change was kept."""
    context = {"seen": json.dumps(seen), **more}
    template = "assessments/answer_questionnaire.html"
    return _answer(request, template, way, asked, None, context, status=status, part="saved")


def _onward(way: Way, sheet: Sheet, item: str, step: str, shown: set[str], is_all: bool) -> str:
    if is_all:
        # An answer may have opened a question that was not on the page yet.
        fresh = [question for question in sheet.open if question.id not in shown]
        return way.to(show="all") + f"#{fresh[0].name}" if fresh else way.to(show="check")
    if step == "check":
        return way.to(show="check")
    there = sheet.before(item) if step == "back" else sheet.after(item)
    return way.to(question=there) if there else way.to(show="begin" if step == "back" else "check")


def _danger_said(request: OurRequest, way: Way, asked: AssessmentRequest) -> HttpResponse:
    """Take the answer to "are you in danger now?". A yes calls people, and shows the numbers whatever comes of that."""
    if request.POST["danger"] != "yes":
        return go_to(request, way.to(show="check"))
    told = calling_help.reach_somebody(who=lambda: _who(way, asked, request), patient=asked.patient, now=request.now)
    context = {"alarmed": True, "told": told, "handed_in": False, "onward": way.to(show="check")}
    return _answer(request, "assessments/questionnaire_done.html", way, asked, None, context)


def _failed(request: OurRequest, asked: AssessmentRequest, error: Exception) -> None:
    log.error("answers_failed", reason=trail(error))
    with contextlib.suppress(Exception):
        definition = requests.definition_of(asked)
        responses.report_failure(patient=asked.patient, definition=definition, answers=asked.draft, now=request.now)


def _hand_in(request: OurRequest, way: Way, asked: AssessmentRequest, sheet: Sheet | None) -> HttpResponse:
    """Hand in what the person looked over last, and answer with what follows from it on this same page."""
    revision = request.POST.get("revision", "")
    definition = requests.definition_of(asked)
    try:
        response = responses.hand_in(
            by=_who(way, asked, request), patient=asked.patient, request=asked, definition=definition,
            answers=sheet.given if sheet else {}, mode=way.mode, submission_key=asked.pk, begun_at=asked.begun_at,
            revision=int(revision) if revision.isascii() and revision.isdigit() and len(revision) < 10 else -1,
            answered_at=request.now, device=way.device, now=request.now,
        )  # fmt: skip
    except Refused as refusal:
        asked.refresh_from_db(fields=["status", "draft", "revision"])
        if sheet is None or not asked.is_open:
            return _closed(request, way, asked, refusal)
        fresh = Sheet(sheet.definition, sheet.wording, asked.draft)
        return _check(request, way, asked, fresh, status=UNPROCESSABLE, refusal=str(refusal))
    except Exception as error:
        # Whatever broke, the numbers to call stand on this page and the draft is kept.
        _failed(request, asked, error)
        return _answer(request, "assessments/_answer_not_sent.html", way, asked, sheet, status=NOT_DONE)
    try:
        way.settle()
    except Exception as error:  # the answers are in: what is tidied up after them must not hide what follows from them
        log.error("settle_failed", reason=trail(error))
    if follows_up(response):
        return done(request, way, asked, response)
    return go_to(request, way.finish_url)


def _who(way: Way, asked: AssessmentRequest, request: OurRequest) -> User:
    """Return in whose name it is written: the patient's own sign-in, or the system's for a patient who has none."""
    return way.by or asked.patient.portal_user or system.sam(now=request.now)


def follows_up(response: AssessmentResponse) -> bool:
    """Return whether somebody will call because of these answers."""
    definition = definitions.get(response.code, response.version, response.language)
    return bool(safety.signals(definition, response.answers)) or responses.wants_call(definition, response.answers)


def done(request: HttpRequest, way: Way, asked: AssessmentRequest, response: AssessmentResponse) -> HttpResponse:
    """Return the page after answers were handed in. When they alarm, help is the first and biggest thing on it."""
    alarmed = follows_up(response)
    call_by = ""
    if alarmed:
        with contextlib.suppress(Exception):
            alert = RiskAlert.objects.filter(response=response).first()
            place = asked.patient.home_location
            call_by = localtime.moment_text(alert.contact_by, place.tz) if alert else ""
    context = {"alarmed": alarmed, "told": True, "call_by": call_by, "handed_in": True, "onward": way.home_url}
    return _answer(request, "assessments/questionnaire_done.html", way, asked, None, context)  # type: ignore[arg-type]  # every request of ours is one


__all__ = ["Way", "done", "follows_up", "page", "sheet_of"]
