"""The office's pages of instruments: what may be shown, under which permission, and what is asked when."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from assessments import definitions, wordings
from assessments.actions import instruments
from assessments.actions.instruments import Words
from assessments.models import AskingRule, InstrumentWording
from clinic.models import AuditEvent
from tests import factories as make
from tests.cast import Cast
from tests.conftest import SignedIn

NOON = make.NOON
TODAY = NOON.date()
DAY = timedelta(days=1)
PTQ = definitions.current("ptq")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(now: Any) -> None:
    """Freeze the clock for every test here."""


@pytest.fixture
def ada(cast: Cast, signed_in: SignedIn) -> Client:
    return signed_in(cast.ada)


def sheet(code: str = "ptq", **change: Any) -> dict[str, Any]:
    """Return the form filled in: every question in its own words, the answers shared."""
    definition = definitions.current(code)
    return {
        "holder": "T. Ehring", "document": "Office folder 7", "granted_on": "2027-01-04", "ends_on": "",
        "instructions": "", "answers": "same", "is_exact": "on",
        **{f"all_{option.value}": f"Label {option.value}" for option in definition.items[0].options},
        **{f"text_{item.id}": f"  Words “of” <{item.number}>  " for item in definition.items},
        **change,
    }  # fmt: skip


def address(name: str, code: str = "ptq") -> str:
    return reverse(f"assessments:{name}", args=[code])


def test_the_list_says_of_each_what_may_be_done(cast: Cast, ada: Client) -> None:
    page = ada.get(reverse("assessments:instruments")).content.decode()
    for definition in definitions.all_current():
        assert definition.name in page
    assert page.count("score entry only") == 10
    assert page.count("shown to patients") == 7
    make.make_wording(cast.ada, "ptq", ends_on=TODAY)
    make.make_wording(cast.ada, "madrs")
    page = ada.get(reverse("assessments:instruments")).content.decode()
    assert "until Wed 13 Jan 2027" in page
    assert page.count("shown to clinicians") == 1
    assert page.count("score entry only") == 8


def test_words_are_shown_only_where_they_are_free(cast: Cast, ada: Client) -> None:
    """Hazard: a page shows wording that its owner never allowed us to show."""
    for code in [each.code for each in definitions.all_current()]:
        page = ada.get(address("instrument", code)).content.decode()
        definition = definitions.current(code)
        assert definition.citation.split('"')[0][:30] in page
        free = definitions.can_render(definition)
        assert ("The wording is kept by its licence." in page) != free
        assert ("Record a permission" in page) != free


def test_a_permission_makes_the_words_shown_exactly_as_they_were_typed(cast: Cast, ada: Client) -> None:
    answer = ada.post(address("record_wording"), sheet(), follow=True)
    assert "The wording of PTQ is on file and may be shown." in answer.content.decode()
    row = InstrumentWording.objects.get()
    assert (row.holder, row.granted_on, row.ends_on, row.recorded_by) == ("T. Ehring", date(2027, 1, 4), None, cast.ada)
    shown = definitions.wording(PTQ, wordings.permissions(), on=TODAY)
    assert shown.items[0].text == "Words “of” <1>"
    assert [option.label for option in shown.items[14].options] == [f"Label {n}" for n in range(5)]
    page = answer.content.decode()
    assert "Words “of” &lt;15&gt;" in page
    assert "Office folder 7" in page
    assert AuditEvent.objects.get(verb="instrument_wording.changed").details == {
        "change": "recorded", "code": "ptq", "version": 1,
    }  # fmt: skip


def test_each_question_in_answers_of_its_own(cast: Cast, ada: Client) -> None:
    own = {f"label_{item.id}_{o.value}": f"{item.number}:{o.value}" for item in PTQ.items for o in item.options}
    mixed = ada.post(address("record_wording"), sheet(answers="own", **own))
    assert mixed.status_code == 422
    assert "You said that each question has its own answers." in mixed.content.decode()
    blank = {f"all_{n}": "" for n in range(5)}
    assert ada.post(address("record_wording"), sheet(answers="own", **own, **blank)).status_code == 302
    shown = definitions.wording(PTQ, wordings.permissions(), on=TODAY)
    assert [option.label for option in shown.items[2].options] == [f"3:{n}" for n in range(5)]


def test_wording_is_kept_whole_and_permitted_or_not_at_all(cast: Cast, ada: Client) -> None:
    for change, sentence in [
        ({"text_{last}": ""}, "Please fill this in."),
        ({"text_{last}": "   "}, "Please fill this in."),
        ({"all_4": ""}, "Please fill this in."),
        ({"label_{last}_4": "x"}, "You said that all questions have the same answers."),
        ({"answers": ""}, "Choose one."),
        ({"holder": ""}, "Please fill this in."),
        ({"document": ""}, "Please fill this in."),
        ({"is_exact": ""}, "Changed wording is neither licensed nor valid."),
        ({"all_4": "Label 3"}, "Two answers of question 1 have the same words."),
        ({"all_4": " label  3"}, "Two answers of question 1 have the same words."),
        ({"granted_on": "2027-01-14"}, "This permission has ended, or begins on a day to come."),
        ({"ends_on": "2027-01-12"}, "This permission has ended, or begins on a day to come."),
        ({"text_{last}": "x" * 2001}, "This is too long"),
        ({"ends_on": "soon"}, "Write a day like 2027-01-31."),
    ]:
        last = PTQ.items[-1].id
        sent = sheet(**{name.replace("{last}", last): value for name, value in change.items()})
        answer = ada.post(address("record_wording"), sent)
        assert answer.status_code == 422
        said = answer.content.decode()
        assert sentence in said
        assert "Words “of” &lt;1&gt;" in said, "what was typed is kept"
        assert not InstrumentWording.objects.exists()


def words(code: str = "ptq", **change: str) -> Words:
    definition = definitions.current(code)
    labels = {item.id: tuple(f"L{o.value}" for o in item.options) for item in definition.items if item.kind == "choice"}
    return Words({item.id: f"W{item.number}" for item in definition.items} | change, labels)


def record(cast: Cast, code: str = "ptq", given: Words | None = None, version: int = 1) -> InstrumentWording:
    return instruments.record_wording(
        by=cast.ada, code=code, version=version, words=given or words(code), holder="x", document="y", granted_on=TODAY,
        ends_on=None, today=TODAY, now=NOON,
    )  # fmt: skip


def test_the_action_refuses_what_the_form_would(cast: Cast) -> None:
    with pytest.raises(instruments.WordsMissing, match="Question 15"):
        record(cast, given=words(**{PTQ.items[-1].id: " "}))
    with pytest.raises(instruments.NoPermissionNeeded):
        record(cast, "phq-9", Words({}))
    with pytest.raises(instruments.NoSuchInstrument):
        record(cast, "ptq", version=9)
    record(cast)
    with pytest.raises(instruments.AlreadyOnFile):
        record(cast)
    assert InstrumentWording.objects.count() == 1


def test_yes_and_no_need_no_labels(cast: Cast) -> None:
    """The C-SSRS under a permission: shown to the clinician who asks it, and to no patient."""
    record(cast, "c-ssrs")
    definition, held = definitions.current("c-ssrs"), wordings.permissions()
    assert definitions.can_render(definition, held, on=TODAY)
    assert not wordings.may_be_sent(definition, held, TODAY)
    assert "c-ssrs" not in {each.code for each in wordings.sendable(held, TODAY)}


def test_an_ended_permission_shows_nothing_and_makes_room(cast: Cast, ada: Client) -> None:
    """Hazard: wording goes on being shown after the permission has ended."""
    old = make.make_wording(cast.ada, "ptq", ends_on=TODAY)
    assert "Words of 15" in ada.get(address("instrument")).content.decode()
    assert not definitions.can_render(PTQ, wordings.permissions(), on=TODAY + DAY)
    InstrumentWording.objects.update(ends_on=TODAY - DAY)
    page = ada.get(address("instrument")).content.decode()
    assert "Words of" not in page
    assert "has ended" in page
    new = record(cast)
    old.refresh_from_db()
    assert old.withdrawn_at == NOON
    assert [row.pk for row in InstrumentWording.objects.on_file()] == [new.pk]


def test_withdrawn_once_and_shown_no_more(cast: Cast, ada: Client) -> None:
    make.make_wording(cast.ada, "ptq")
    assert ada.get(address("withdraw_wording")).status_code == 405
    assert ada.post(address("withdraw_wording")).status_code == 302
    assert "Words of" not in ada.get(address("instrument")).content.decode()
    again = ada.post(address("withdraw_wording"))
    assert (again.status_code, "has been withdrawn already" in again.content.decode()) == (422, True)
    assert ada.post(address("withdraw_wording", "madrs")).status_code == 404
    assert ada.post(address("withdraw_wording", "nonsense")).status_code == 404
    assert ada.get(address("instrument", "nonsense")).status_code == 404


def test_a_free_one_needs_no_permission(cast: Cast, ada: Client) -> None:
    assert "There is nothing to record." in ada.get(address("record_wording", "phq-9")).content.decode()


# What is asked when.


def line(**change: str) -> dict[str, str]:
    return {
        "code": "phq-9", "event": "dose_given", "amount": "7", "unit": "days_after", "due_within_hours": "48",
        "open_for_hours": "120", "every_days": "", **change,
    }  # fmt: skip


def test_a_line_is_added_and_ended(cast: Cast, ada: Client) -> None:
    add, rules = reverse("assessments:add_asking_rule"), reverse("assessments:asking_rules")
    assert "Nothing is asked by itself" in ada.get(rules).content.decode()
    assert ada.post(add, line()).status_code == 302
    rule = AskingRule.objects.get()
    assert (rule.offset_hours, rule.every_days, rule.started_by) == (168, None, cast.ada)
    page = ada.get(rules).content.decode()
    assert "7 days after" in page
    twice = ada.post(add, line())
    assert (twice.status_code, "This is asked at that time already." in twice.content.decode()) == (422, True)
    end = reverse("assessments:end_asking_rule", args=[rule.pk])
    assert [ada.post(end).status_code, ada.post(end).status_code] == [302, 422]
    assert "1 line that ended" in ada.get(rules).content.decode()
    assert ada.post(add, line(unit="hours_before", amount="4")).status_code == 302
    assert AskingRule.objects.live().get().offset_hours == -4


def test_a_line_that_makes_no_sense_is_refused(cast: Cast, ada: Client) -> None:
    for change, sentence in [
        ({"code": "c-ssrs"}, "Choose one of those offered."),
        ({"code": "ptq"}, "Choose one of those offered."),
        ({"event": "x"}, "Choose one of those offered."),
        ({"unit": ""}, "Choose one."),
        ({"amount": ""}, "Please fill this in."),
        ({"amount": "-1"}, "This has to be 0 at least."),
        ({"amount": "999999999999"}, "This can be 26280 at most."),
        ({"due_within_hours": "121"}, "It has to stay open until it is due"),
        ({"every_days": "4"}, "close before it is asked again"),
        ({"every_days": "0"}, "This has to be 1 at least."),
    ]:
        answer = ada.post(reverse("assessments:add_asking_rule"), line(**change))
        assert answer.status_code == 422
        assert sentence in answer.content.decode()
        assert not AskingRule.objects.exists()


def test_a_line_whose_wording_is_gone_says_so(cast: Cast, ada: Client) -> None:
    make.make_rule(cast.ada, "ptq")
    assert "not asked: may not be shown" in ada.get(reverse("assessments:asking_rules")).content.decode()


def test_others_change_nothing(cast: Cast, signed_in: SignedIn) -> None:
    for who in ["frida", "milo", "nina", "theo", "petra"]:
        client = signed_in(getattr(cast, who))
        assert client.post(reverse("assessments:add_asking_rule"), line()).status_code == 403
        assert client.post(address("record_wording"), sheet()).status_code == 403
        assert client.get(reverse("assessments:instruments")).status_code == 403
