"""From a draft to limits in force: typed fields, one draft, two editors, a director's signature, and nothing after it."""

import copy
import threading
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from clinic import policy, policy_shape
from clinic.actions import policy as policies
from clinic.actions import signatures
from clinic.actions.signatures import Proof
from clinic.forms.policy import DraftPolicyForm
from clinic.models import AuditEvent, PolicyVersion, Role, Signature, User, WorkItem
from clinic.policy_words import BY_PATH, leaves, touches
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn, owner_rights

pytestmark = pytest.mark.django_db

TODAY = date(2027, 1, 13)
WHY = "Stricter before a dose, after the audit of December."


@pytest.fixture(autouse=True)
def _quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def changed(**paths: Any) -> dict[str, Any]:
    values = copy.deepcopy(policy.FIRST_LIMITS)
    for path, value in paths.items():
        policy_shape.put(values, tuple(path.split("__")), value)
    return values


def a_draft(by: User, **paths: Any) -> PolicyVersion:
    paths = paths or {"bp__pre_red": [155, 95]}
    seen = policies.mark_of(policies.open_draft())
    return policies.draft(by=by, seen=seen, values=changed(**paths), note=WHY, now=make.NOON)


def approve(by: User, cast: Cast, **values: Any) -> PolicyVersion:
    wanted: dict[str, Any] = {
        "seen": policies.mark_of(policies.open_draft()), "effective_on": TODAY, "location": cast.denver, "now": make.NOON,
        "proof": Proof(make.PASSWORD, make.app_code()),
    }  # fmt: skip
    return policies.approve(by=by, **{**wanted, **values})


def typed(page: Any, **paths: str) -> dict[str, Any]:
    """Return what a browser would send of the page's form, with some limits typed over."""
    form = page.context["form"]
    sent = {name: form[name].value() for name in form.fields} | {"note": WHY}
    return {name: value for name, value in sent.items() if value is not None} | {
        f"limit__{name}" if not name.startswith(("note", "version")) else name: value for name, value in paths.items()
    }


def save(client: Client, **paths: str) -> Any:
    url = reverse("clinic:draft_policy")
    return client.post(url, typed(client.get(url), **paths))


class TestShape:
    def test_every_limit_has_one_and_fits_it(self) -> None:
        assert set(policy_shape.SHAPES) == set(BY_PATH)
        assert policy_shape.problems(policy.FIRST_LIMITS) == []
        assert all(touches(path) for path in policy_shape.SHAPES)

    @pytest.mark.parametrize(
        ("path", "value", "said"),
        [
            ("bp__pre_red", [140, 100], "above “Before a dose: goes ahead up to”"), ("bp__pre_red", [155, 110], "above"),
            ("bp__post_crisis", [180, 120], "above"), ("vitals__spo2_red", 94, "above"), ("vitals__hr", [110, 50], "plausible"),
            ("vitals__spo2_min", 140, "plausible"), ("vitals__spo2_min", "94", "plausible"), ("vitals__spo2_min", True, "plausible"),
            ("vitals__spo2_min", 94.5, "plausible"), ("dose_mg_sl__first_hard", 140, "above"), ("dose_mg_sl__soft", 450, "above"),
            ("clearance__valid_days", 200, "above"), ("reminders__offsets_h", [24, 72], "plausible"),
            ("reminders__offsets_h", [], "plausible"), ("reminders__window_local", ["20:00", "08:30"], "plausible"),
            ("reminders__window_local", ["8:30", "20:00"], "plausible"), ("screening__telemedicine_until", "2026-02-30", "plausible"),
            ("screening__breastfeeding", "info", "plausible"), ("screening__indications", [], "plausible"),
            ("screening__indications", ["trd", "adhd"], "plausible"), ("risk__yellow_by", "25:00", "plausible"),
            ("risk__orange_after_hours_min", 300, "above"), ("screening__event__block_weeks", 30, "above"),
            ("session__observation_floor_min__in_esk", 90, "plausible"), ("sedation__scale", "RASS", "plausible"),
            ("screening__bp__high_readings", 4, "above"), ("dea__inventory_months", 36, "plausible"),
        ],
    )  # fmt: skip
    def test_what_is_refused(self, path: str, value: object, said: str) -> None:
        found = policy_shape.problems(changed(**{path: value}))
        assert found, "a slip of the finger went through"
        assert any(said in sentence for _path, sentence in found), found

    def test_a_missing_one_is_named(self) -> None:
        values = copy.deepcopy(policy.FIRST_LIMITS)
        del values["bp"]["pre_red"]
        assert policy_shape.problems(values) == [(("bp", "pre_red"), "This limit is not set.")]


class TestForm:
    def test_unchanged_gives_back_every_value_and_type(self) -> None:
        empty = DraftPolicyForm(values=policy.FIRST_LIMITS, approved=policy.FIRST_LIMITS)
        sent = {name: empty[name].value() for name in empty.fields} | {"version": "x", "note": WHY}
        form = DraftPolicyForm(sent, values=policy.FIRST_LIMITS, approved=policy.FIRST_LIMITS)
        assert form.is_valid(), form.errors
        kept = form.limits()
        assert kept == policy.FIRST_LIMITS
        assert [(p, type(v)) for p, v in leaves(kept)] == [(p, type(v)) for p, v in leaves(policy.FIRST_LIMITS)]
        rows = [row for _title, rows in form.sections() for row in rows]
        assert len(rows) == len(BY_PATH)

    @pytest.mark.parametrize(
        ("typed_over", "path", "value"),
        [
            ({"vitals__temp_max_c": "38"}, ("vitals", "temp_max_c"), 38.0),
            ({"screening__liver__block_times_uln": "2.5"}, ("screening", "liver", "block_times_uln"), 2.5),
            ({"screening__liver__block_times_uln": "4"}, ("screening", "liver", "block_times_uln"), 4),
            ({"reminders__offsets_h": "72,24"}, ("reminders", "offsets_h"), [72, 24]),
            ({"reminders__window_local__0": "09:00"}, ("reminders", "window_local"), ["09:00", "20:00"]),
            ({"screening__telemedicine_until": "2027-06-30"}, ("screening", "telemedicine_until"), "2027-06-30"),
            ({"screening__indications": ["trd", "ptsd"]}, ("screening", "indications"), ["trd", "ptsd"]),
            ({"bp__pre_green__1": "85"}, ("bp", "pre_green"), [140, 85]),
        ],
    )
    def test_a_number_keeps_its_type(
        self,
        cast: Cast,
        signed_in: SignedIn,
        now: datetime,
        typed_over: dict[str, Any],
        path: tuple[str, ...],
        value: object,
    ) -> None:
        assert save(signed_in(cast.dana), **typed_over).status_code == 302
        kept = dict(leaves(PolicyVersion.objects.get(number=2).values))[path]
        assert (kept, type(kept)) == (value, type(value))


class TestDraft:
    def test_saved_as_often_as_wanted(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        client = signed_in(cast.dana)
        assert save(client, bp__pre_red__0="155").headers["Location"] == reverse("clinic:approve_policy")
        assert save(client, bp__pre_red__0="158").status_code == 302
        draft = PolicyVersion.objects.get(approved_at=None)
        assert (draft.number, draft.values["bp"]["pre_red"], draft.note) == (2, [158, 100], WHY)
        assert policy.in_force(make.NOON).get("bp", "pre_red") == [160, 100], "nothing of a draft is in force"
        assert AuditEvent.objects.filter(verb="policy.drafted").count() == 2

    def test_what_is_wrong_is_said_at_the_limit_and_nothing_is_lost(
        self, cast: Cast, signed_in: SignedIn, now: datetime
    ) -> None:
        client = signed_in(cast.dana)
        page = save(client, bp__pre_red__0="139", vitals__spo2_min="90")
        assert page.status_code == 422
        text = page.content.decode()
        assert "This has to be above “Before a dose: goes ahead up to”." in text
        assert 'value="139"' in text
        assert WHY in text
        for wrong in (
            {"note": ""},
            {"vitals__hr__0": "many"},
            {"vitals__hr__0": "9999"},
            {"reminders__offsets_h": "a, b"},
        ):
            assert save(client, **wrong).status_code == 422
        assert not PolicyVersion.objects.filter(approved_at=None).exists()

    def test_a_second_editor_is_told(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        dana, ada, url = signed_in(cast.dana), signed_in(cast.ada), reverse("clinic:draft_policy")
        hers = typed(ada.get(url), bp__pre_stop__0="170")
        assert save(dana, bp__pre_red__0="155").status_code == 302
        page = ada.post(url, hers)
        assert page.status_code == 422
        text = page.content.decode()
        assert "Dana Deng saved this draft while you had it open" in text
        assert {"Before a dose: no dose from", "Before a dose: stop for today from"} <= {
            row["label"] for row in page.context["overruled"]
        }
        assert PolicyVersion.objects.get(approved_at=None).values["bp"]["pre_stop"] == [180, 110]
        again = page.context["form"]
        assert ada.post(url, {**hers, "version": again["version"].value()}).status_code == 302, "now she knows"

    def test_after_it_was_discarded_it_does_not_come_back_by_itself(self, cast: Cast) -> None:
        a_draft(cast.dana)
        seen = policies.mark_of(policies.open_draft())
        policies.discard(by=cast.dana, seen=seen, now=make.NOON)
        assert not PolicyVersion.objects.filter(approved_at=None).exists()
        assert AuditEvent.objects.filter(verb="policy.discarded").count() == 1
        with pytest.raises(policies.DraftGone):
            policies.draft(by=cast.ada, seen=seen, values=changed(), note=WHY, now=make.NOON)
        with pytest.raises(policies.DraftGone):
            policies.discard(by=cast.ada, seen=seen, now=make.NOON)

    def test_discarding_what_somebody_changed_is_refused(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        a_draft(cast.dana)
        client, url = signed_in(cast.ada), reverse("clinic:discard_policy")
        assert client.post(url, {"version": "stale"}).headers["Location"] == reverse("clinic:approve_policy")
        assert policies.open_draft()
        assert client.get(url).status_code == 405
        client.post(url, {"version": policies.mark_of(policies.open_draft())})
        assert policies.open_draft() is None

    def test_the_directors_find_it_on_their_list(self, cast: Cast, signed_in: SignedIn, now: datetime) -> None:
        draft = a_draft(cast.ada)
        item = WorkItem.objects.get(kind="policy_draft")
        assert (item.owner, item.subject_id, item.location) == (cast.dana, draft.pk, cast.denver)
        assert "Policy, version 2" in signed_in(cast.dana).get(reverse("clinic:worklist")).content.decode()
        a_draft(cast.ada, bp__pre_red=[156, 96])
        assert WorkItem.objects.filter(kind="policy_draft").count() == 1

    def test_not_ones_own_list(self, cast: Cast) -> None:
        a_draft(cast.dana)
        assert not WorkItem.objects.filter(kind="policy_draft").exists()


class TestApprove:
    @pytest.fixture
    def director(self, cast: Cast, now: datetime) -> User:
        make.make_secrets(cast.dana)
        return cast.dana

    def test_signed_in_force_and_done(self, cast: Cast, director: User) -> None:
        draft = a_draft(cast.ada, timeouts_min__staff=10)
        assert policy.session_timeouts(make.NOON)["staff"] == 15
        version = approve(director, cast)
        version.refresh_from_db()
        assert (version.pk, version.approved_by, version.effective_at) == (draft.pk, director, make.NOON)
        assert policy.in_force(make.NOON).get("timeouts_min", "staff") == 10
        signature = Signature.objects.get(purpose="policy", subject_id=version.pk)
        assert signature.signer == director
        assert signatures.matches(signature, policies.text_of(version, make.NOON)), "from what is kept"
        assert WorkItem.objects.get(kind="policy_draft").outcome == "done"
        row = AuditEvent.objects.get(verb="policy.approved")
        assert row.details == {"number": 2, "own_draft": False}

    def test_what_was_signed_is_every_value(self, cast: Cast, director: User) -> None:
        a_draft(cast.ada)
        version = approve(director, cast)
        signature = Signature.objects.get(purpose="policy")
        for path, value in (("bp__pre_red", [156, 95]), ("vitals__temp_max_c", 38.5)):
            policy_shape.put(version.values, tuple(path.split("__")), value)
            assert not signatures.matches(signature, policies.text_of(version, make.NOON))

    def test_from_a_later_day_at_midnight_there(self, cast: Cast, director: User) -> None:
        a_draft(cast.ada)
        version = approve(director, cast, effective_on=date(2027, 3, 14))
        assert version.effective_at is not None
        assert version.effective_at.isoformat() == "2027-03-14T07:00:00+00:00"
        before, after = version.effective_at - timedelta(seconds=1), version.effective_at
        assert policy.in_force(before).number == 1
        assert policy.in_force(after).number == 2

    @pytest.mark.parametrize("day", [date(2027, 1, 12), date(2028, 1, 14), date(2020, 1, 1)])
    def test_never_backwards(self, cast: Cast, director: User, day: date) -> None:
        a_draft(cast.ada)
        with pytest.raises(policies.NotThatDay, match="from Wed 13 Jan 2027 on"):
            approve(director, cast, effective_on=day)

    def test_never_before_the_one_approved_last(self, cast: Cast, director: User) -> None:
        """Otherwise the older one would come back into force when its day comes."""
        a_draft(cast.ada)
        approve(director, cast, effective_on=date(2027, 2, 1))
        a_draft(cast.ada, bp__pre_red=[150, 95])
        later = make.NOON + timedelta(minutes=1)
        with time_machine.travel(later, tick=False):
            with pytest.raises(policies.NotThatDay, match="Mon 1 Feb 2027"):
                approve(director, cast, effective_on=date(2027, 1, 31), now=later)
            version = approve(director, cast, effective_on=date(2027, 2, 1), now=later)
        assert version.effective_at is not None
        assert policy.in_force(version.effective_at).number == 3

    @pytest.mark.parametrize("who", ["ada", "nina", "omar", "petra", "pat_user"])
    def test_only_a_director_of_the_place(self, cast: Cast, director: User, who: str) -> None:
        a_draft(cast.ada)
        user = getattr(cast, who)
        if user.is_staff_member:
            make.make_secrets(user)
        with pytest.raises(policies.NotDirector):
            approve(user, cast)
        assert policies.open_draft()

    def test_a_wrong_proof_approves_nothing(self, cast: Cast, director: User) -> None:
        a_draft(cast.ada)
        with pytest.raises(signatures.WrongProof):
            approve(director, cast, proof=Proof(make.PASSWORD, "000000"))
        assert policies.open_draft()
        assert not Signature.objects.exists()

    def test_what_was_not_read_is_not_approved(self, cast: Cast, director: User) -> None:
        a_draft(cast.ada)
        seen = policies.mark_of(policies.open_draft())
        a_draft(cast.ada, bp__pre_red=[150, 90 + 1])
        with pytest.raises(policies.DraftChanged, match="Ada Abara saved this draft"):
            approve(director, cast, seen=seen)

    def test_what_changes_nothing_or_is_out_of_order_is_not_approved(self, cast: Cast, director: User) -> None:
        draft = a_draft(cast.ada)
        draft.values = changed()
        draft.save()
        with pytest.raises(policies.NothingChanged):
            approve(director, cast)
        draft.values = changed(bp__pre_red=[130, 100])
        draft.save()
        with pytest.raises(policies.NotInOrder, match="no dose from"):
            approve(director, cast)
        del draft.values["screening"]
        draft.save()
        with pytest.raises(policies.NotInOrder, match="not set"):
            approve(director, cast)

    def test_twice_is_once(self, cast: Cast, director: User) -> None:
        a_draft(cast.ada)
        approve(director, cast)
        with pytest.raises(policies.DraftGone):
            approve(director, cast, seen="x")

    def test_by_the_page(self, cast: Cast, director: User, signed_in: SignedIn) -> None:
        client, url = signed_in(director), reverse("clinic:approve_policy")
        assert client.get(url).headers["Location"] == reverse("clinic:policy"), "there is none"
        a_draft(director)
        page = client.get(url)
        text = page.content.decode()
        assert page.context["changes"] == [
            {
                "label": "Before a dose: no dose from", "was": "160/100 mmHg", "is": "155/95 mmHg",
                "touches": "Everybody whose blood pressure is taken at a dosing session from that day on.",
            }
        ]  # fmt: skip
        assert "You drafted this yourself." in text
        assert "no other medical director" in text
        sent = {
            "version": page.context["form"]["version"].value(),
            "effective_on": "2027-01-13",
            "password": make.PASSWORD,
        }
        refused = client.post(url, {**sent, "code": "111111"})
        assert refused.status_code == 422
        assert "Nothing was signed" in refused.content.decode()
        assert AuditEvent.objects.filter(verb="signature.refused").count() == 1, "though the approval was undone"
        assert client.post(url, {**sent, "code": make.app_code()}).status_code == 302
        assert policy.in_force(make.NOON).number == 2
        history = client.get(reverse("clinic:policy")).content.decode()
        assert "Policy in force: version 2" in history
        old = client.get(reverse("clinic:policy_version", args=[PolicyVersion.objects.get(number=1).pk]))
        assert old.context["state"] == "Was in force"

    def test_a_second_director_is_named(self, cast: Cast, director: User, signed_in: SignedIn) -> None:
        make.make_member(cast.tess, cast.phoenix, Role.PRESCRIBER, is_medical_director=True)
        a_draft(director)
        assert WorkItem.objects.get(kind="policy_draft").owner == cast.tess
        text = signed_in(director).get(reverse("clinic:approve_policy")).content.decode()
        assert "Tess Tanaka can approve it too" in text

    def test_who_drafts_but_does_not_approve_sees_for_whom_it_waits(
        self, cast: Cast, signed_in: SignedIn, now: datetime
    ) -> None:
        a_draft(cast.ada)
        client, url = signed_in(cast.ada), reverse("clinic:approve_policy")
        page = client.get(url)
        assert page.context["form"] is None
        assert "It waits for Dana Deng" in page.content.decode()
        assert client.post(url, {"version": "x"}).status_code == 422
        assert policies.open_draft()


@pytest.mark.django_db(transaction=True)
def test_two_start_a_draft_at_once_and_there_is_one() -> None:
    cast, start = make_cast(), threading.Barrier(6)
    outcomes: list[object] = []

    def run(number: int, seen: str) -> None:
        try:
            start.wait(10)
            values, who = changed(bp__pre_red=[150 + number, 95]), (cast.ada, cast.dana)[number % 2]
            outcomes.append(policies.draft(by=who, seen=seen, values=values, note=WHY, now=make.NOON))
        except Exception as error:
            outcomes.append(type(error))
        finally:
            connection.close()

    # One begins it; then one saves it again. The others are told who did.
    for first, seen in ((0, "new-1"), (6, "")):
        outcomes.clear()
        seen = seen or policies.mark_of(policies.open_draft())
        threads = [threading.Thread(target=run, args=[first + n, seen]) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sum(isinstance(one, PolicyVersion) for one in outcomes) == 1
        assert {one for one in outcomes if isinstance(one, type)} == {policies.DraftChanged}
        assert PolicyVersion.objects.count() == 2


class TestOlderPolicy:
    """A clinic whose policy was approved before there were the limits of this release."""

    @pytest.fixture
    def old(self, cast: Cast, now: datetime) -> PolicyVersion:
        values = copy.deepcopy(policy.FIRST_LIMITS)
        for path in ("screening", "packet", "questionnaire", "kiosk", "workup"):
            del values[path]
        del values["clearance"]["after_dose_days"]
        return make.make_policy(cast.dana, values, number=2)

    def test_the_release_puts_a_draft_before_the_director(self, cast: Cast, old: PolicyVersion) -> None:
        draft = policies.propose_missing(now=make.NOON)
        assert draft is not None
        assert (draft.number, draft.values, draft.drafted_by) == (3, policy.FIRST_LIMITS, cast.sam)
        assert policy.in_force(make.NOON).number == 2
        item = WorkItem.objects.get(kind="policy_draft")
        assert (item.owner, item.due_at) == (cast.dana, make.NOON + timedelta(days=1))
        for _again in range(2):
            assert policies.propose_missing(now=make.NOON) == draft
        assert (
            WorkItem.objects.filter(kind="policy_draft").count()
            == AuditEvent.objects.filter(verb="policy.drafted").count()
            == 1
        )

    def test_a_draft_that_is_open_gets_them_added(self, cast: Cast, old: PolicyVersion) -> None:
        values = copy.deepcopy(old.values)
        values["bp"]["pre_red"] = [150, 95]
        PolicyVersion.objects.create(number=3, values=values, note=WHY, drafted_by=cast.ada, drafted_at=make.NOON)
        draft = policies.propose_missing(now=make.NOON)
        assert draft is not None
        assert (draft.number, draft.note, draft.drafted_by) == (3, WHY, cast.ada)
        assert draft.values["bp"]["pre_red"] == [150, 95]
        assert policies.missing(draft.values) == []

    def test_nothing_to_do(self, cast: Cast, now: datetime) -> None:
        assert policies.propose_missing(now=make.NOON) is None
        assert PolicyVersion.objects.count() == 1

    def test_a_limit_that_is_not_set_is_refused_by_name(self, old: PolicyVersion) -> None:
        limits = policy.in_force(make.NOON)
        asked = [
            lambda: limits.get("packet", "valid_days"), lambda: limits.get("clearance", "after_dose_days"),
            lambda: limits.get("clearance")["after_dose_days"], lambda: limits.values["screening"]["bp"],
            lambda: limits.get("consent_valid_days", "x"),
        ]  # fmt: skip
        for ask in asked:
            with pytest.raises(policy.LimitNotSet, match="medical director"):
                ask()
        with pytest.raises(policy.LimitNotSet, match="A clearance outlasts the last dose by"):
            asked[1]()
        with pytest.raises(policy.NoPolicyInForce):
            policy.in_force(make.NOON - timedelta(days=9999))

    def test_a_page_says_it_in_a_sentence(
        self, cast: Cast, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch, old: PolicyVersion
    ) -> None:
        def asks(*_args: object) -> None:
            policy.in_force(make.NOON).get("packet", "valid_days")

        monkeypatch.setattr("clinic.views.policy._sections", asks)
        page = signed_in(cast.ada).get(reverse("clinic:policy"))
        assert page.status_code == 409
        assert "An intake packet can be filled in for" in page.content.decode()

    def test_the_policy_page_names_what_is_missing_and_the_draft_proposes_it(
        self, cast: Cast, signed_in: SignedIn, old: PolicyVersion
    ) -> None:
        client = signed_in(cast.ada)
        assert "An intake packet can be filled in for" in client.get(reverse("clinic:policy")).content.decode()
        assert "New: proposed" in client.get(reverse("clinic:draft_policy")).content.decode()

    @pytest.mark.django_db(transaction=True)
    def test_manage_release_does_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        cast = make_cast()
        values = copy.deepcopy(policy.FIRST_LIMITS)
        del values["packet"]
        make.make_policy(cast.dana, values, number=2)
        with owner_rights():
            call_command("release", verbosity=0)
            call_command("release", verbosity=0)
        assert PolicyVersion.objects.filter(approved_at=None).count() == 1
        assert "version 3 waits for a medical director" in capsys.readouterr().out
