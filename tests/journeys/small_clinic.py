"""The smallest clinic that a whole story can happen in, founded by the same actions as a real one.

``python -m tests.journeys.small_clinic``, with the variables of the stack it belongs to: one site, four people, two rooms,
one kind of visit with its letters.
"""

from datetime import time, timedelta

import django

SITE = "Denver"


def found() -> None:
    """Open the clinic a week before the moment the stack's clock shows."""
    from clinic import clock, localtime
    from clinic.actions import founding, hours, places
    from clinic.models import Role, Room, User
    from sessions.actions import reminderplans, visittypes
    from sessions.models import ReminderPlanItem

    now = clock.now() - timedelta(days=7)
    site = founding.Site(
        name=SITE, alias="Juniper Street", time_zone="America/Denver", state="CO", street="12 Juniper Street",
        city="Denver", postcode="80203", phone="(303) 555-0100",
    )  # fmt: skip
    roles = {
        "Ada Abara": (Role.MANAGER, {}), "Frida Flores": (Role.FRONT_DESK, {}), "Felix Fournier": (Role.FRONT_DESK, {}),
        "Dana Deng": (Role.PRESCRIBER, {"is_medical_director": True}), "Petra Petrov": (Role.PRIVACY_OFFICER, {}),
    }  # fmt: skip
    founders = [
        founding.Founder(name, f"{name.split()[0].lower()}@juniper.example", [(SITE, role, flags)])
        for name, (role, flags) in roles.items()
    ]
    (denver,) = founding.found(sites=[site], founders=founders, now=now)
    ada, dana = (User.objects.get(email=f"{name}@juniper.example") for name in ("ada", "dana"))
    for name in ("Aspen", "Birch"):
        places.add_room(by=ada, location=denver, name=name, kind=Room.Kind.CONSULTING, now=now)
    hours.set_working_hours(
        by=ada, user=dana, location=denver, valid_from=localtime.day_of(now, denver.tz), now=now,
        rows=[hours.Stretch(weekday=day, starts=time(8), ends=time(17)) for day in range(5)],
    )  # fmt: skip
    visittypes.publish(
        by=dana, code="intake", name="Intake", patient_name="First visit", minutes=75, role=Role.PRESCRIBER,
        room_kind=Room.Kind.CONSULTING, turnover_minutes=15, what_to_bring="A photo ID", now=now,
    )  # fmt: skip
    start, booking, line = ReminderPlanItem.Anchor.START, ReminderPlanItem.Anchor.BOOKING, reminderplans.Line
    lines = [
        line(kind="visit_confirmation", anchor=booking, useless_minutes_before=0),
        line(kind="visit_in_a_week", anchor=start, days_before=7, useless_minutes_before=4 * 1440),
        line(kind="visit_in_three_days", anchor=start, days_before=3, useless_minutes_before=36 * 60),
        line(kind="visit_tomorrow", anchor=start, days_before=1, useless_minutes_before=120),
    ]
    reminderplans.publish(by=ada, visit_type_code="intake", lines=lines, now=now)


if __name__ == "__main__":
    django.setup()
    found()
