"""(Roof) The demo clinic, told by calling actions in order, as if half a year of working days had gone by.

``tell(now)`` fills an empty database: the whole cast of docs/architecture.md, both sites, a hundred and sixty patients in
every state of care, six months behind and six weeks ahead of ``now``, enquiries of every age, a letter nobody knows the
outcome of, a change request that had to be refused. The same moment always tells the same story. The clinic is open
every day of the week, so that whoever looks on a Sunday sees a working day.

Who and where is in ``cast``, how one moment follows another in ``story``. The rooms: ``house`` (places, staff, hours, kinds
of visit), ``care`` (a patient's way from the enquiry on), ``plan`` (visits), ``course`` (one with a moved dose), ``desk`` (the days of the front desk and
the post) and ``intake`` (assessments, by the ``hands`` that fill in, measure, sign and decide).
"""

from datetime import datetime

from django.db import connection

from clinic.demo import care, course, desk, house, intake
from clinic.demo.cast import CAST
from clinic.demo.story import Story
from clinic.models import User

# Who came in that time, beside those with a name in the cast.
PEOPLE = 156


def tell(now: datetime, *, people: int = PEOPLE) -> None:
    """Fill the empty database with the demo clinic as it is at ``now``. Refuses when there is a clinic already.

    With fewer ``people`` the same things happen to fewer.
    """
    with connection.cursor() as cursor:
        # If the machine falls over now, the demo is simply told again.
        cursor.execute("SET synchronous_commit TO off")
        # Every row is asked for by its id, so the order of joins is not worth thinking about for longer than it takes.
        cursor.execute("SET join_collapse_limit TO 1")
    story = Story(now)
    house.found(story)
    care.stream(story, people)
    care.the_four(story)
    desk.busy_weeks(story)
    course.moved_course(story)
    desk.enquiries(story)
    desk.who_waits(story)
    desk.keep_up(story)
    desk.post(story)
    intake.tell(story)
    story.tell()
    desk.what_went_wrong(story)


def who_can_sign_in() -> list[tuple[str, str, str]]:
    """Return (name, what they do, address) of everybody the demo lets one sign in as, staff first."""
    does = {f"{name.split()[0].lower()}@juniper.example": words for name, words, _roles in CAST}
    staff = User.objects.staff().filter(is_active=True).values_list("email", "name")
    known = dict(staff)
    rows = [(known[email], words, email) for email, words in does.items() if email in known]
    named = [f"{name}@post.example" for name in ("pat", "quinn", "sol")]
    portal = User.objects.filter(kind=User.Kind.PATIENT, is_active=True, email__in=named).order_by("name")
    return rows + [(user.name, "patient", user.email) for user in portal]
