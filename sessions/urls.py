"""Every path of this app, in lists headed by their prefix."""

from datetime import date

from django.urls import URLPattern, path, register_converter

from sessions.views import (
    absences,
    attendance,
    booking,
    chart,
    courses,
    day,
    feeds,
    letters,
    merges,
    moving,
    mymoves,
    ownviews,
    planrest,
    portal,
    schedule,
    utilisation,
    visitrequests,
    visits,
    waitlist,
)

app_name = "sessions"


class DayConverter:
    """``2027-01-14``; what is no day of the calendar is no page, nor a day around which no week can be reckoned."""

    regex = r"\d{4}-\d{2}-\d{2}"

    def to_python(self, value: str) -> date:
        day = date.fromisoformat(value)
        if not 1900 <= day.year < 2200:
            raise ValueError(value)
        return day

    def to_url(self, value: date) -> str:
        return value.isoformat()


register_converter(DayConverter, "day")

today_urls: list[URLPattern] = [
    # /today/
    path("today/", day.today, name="today"),
    path("today/board/", day.today_board, name="today_board"),
]

schedule_urls: list[URLPattern] = [
    # /schedule/
    path("schedule/", schedule.schedule, name="schedule"),
    path("schedule/keep/", ownviews.keep_view, name="keep_view"),
    path("schedule/<day:day>/", schedule.schedule, name="schedule"),
    path("schedule/<day:day>/events/", schedule.schedule_events, name="schedule_events"),
    path("schedule/<day:day>/visits.csv", schedule.schedule_csv, name="schedule_csv"),
    # /away/
    path("away/", absences.say_away, name="say_away"),
    path("away/<uuid:time_off_id>/", absences.absence, name="absence"),
    path("away/<uuid:time_off_id>/calls/<uuid:item_id>/", absences.say_called, name="say_called"),
]

report_urls: list[URLPattern] = [
    # /reports/
    path("reports/utilisation/", utilisation.utilisation_report, name="utilisation_report"),
    path("reports/utilisation/utilisation.csv", utilisation.utilisation_csv, name="utilisation_csv"),
]

feed_urls: list[URLPattern] = [
    # /feeds/calendar/, /account/calendar/
    path("feeds/calendar/<str:feed_key>.ics", feeds.calendar_ics, name="calendar_ics"),
    path("account/calendar/", feeds.calendar_feed, name="calendar_feed"),
    path("account/calendar/revoke/", feeds.revoke_calendar_feed, name="revoke_calendar_feed"),
]

appointment_urls: list[URLPattern] = [
    # /appointments/
    path("appointments/book-intake/", visits.book_intake, name="book_intake"),
    path("appointments/<uuid:appointment_id>/", visits.appointment, name="appointment"),
    path("appointments/<uuid:appointment_id>/reschedule/", visits.reschedule, name="reschedule"),
    path("appointments/<uuid:appointment_id>/plan-rest/", planrest.plan_rest, name="plan_rest"),
    path("appointments/<uuid:appointment_id>/confirm-move/", moving.confirm_move, name="confirm_move"),
    path("appointments/<uuid:appointment_id>/cancel/", visits.cancel_appointment, name="cancel_appointment"),
    path("appointments/<uuid:appointment_id>/confirm/", attendance.confirm_appointment, name="confirm_appointment"),
    path("appointments/<uuid:appointment_id>/check-in/", attendance.check_in, name="check_in"),
    path("appointments/<uuid:appointment_id>/undo-check-in/", attendance.undo_check_in, name="undo_check_in"),
    path("appointments/<uuid:appointment_id>/escort/", attendance.say_escort, name="say_escort"),
    path("appointments/<uuid:appointment_id>/start/", attendance.start_appointment, name="start_appointment"),
    path("appointments/<uuid:appointment_id>/finish/", attendance.finish_appointment, name="finish_appointment"),
    path("appointments/<uuid:appointment_id>/left/", attendance.mark_left, name="mark_left"),
    path("appointments/<uuid:appointment_id>/undo-left/", attendance.undo_left, name="undo_left"),
    path("appointments/<uuid:appointment_id>/no-show/", attendance.mark_no_show, name="mark_no_show"),
    path("appointments/<uuid:appointment_id>/undo-no-show/", attendance.undo_no_show, name="undo_no_show"),
    path(
        "appointments/<uuid:appointment_id>/record-afterwards/", attendance.record_afterwards, name="record_afterwards"
    ),
    path(
        "appointments/<uuid:appointment_id>/undo-record-afterwards/",
        attendance.undo_record_afterwards,
        name="undo_record_afterwards",
    ),
    path("appointments/<uuid:appointment_id>/letters/", letters.visit_letters, name="visit_letters"),
    path(
        "change-requests/<uuid:change_request_id>/answer/",
        visits.answer_change_request,
        name="answer_change_request",
    ),
]

waitlist_urls: list[URLPattern] = [
    # /waitlist/
    path("waitlist/", waitlist.waitlist, name="waitlist"),
    path("waitlist/<uuid:waitlist_entry_id>/offer/", waitlist.offer_time, name="offer_time"),
    path("waitlist/<uuid:waitlist_entry_id>/withdraw/", waitlist.leave_waitlist, name="leave_waitlist"),
    path("waitlist/offers/<uuid:waitlist_offer_id>/accept/", waitlist.accept_offer, name="accept_offer"),
    path("waitlist/offers/<uuid:waitlist_offer_id>/decline/", waitlist.decline_offer, name="decline_offer"),
]

patient_urls: list[URLPattern] = [
    # /patients/<id>/
    path("patients/<uuid:patient_id>/join-waitlist/", waitlist.join_waitlist, name="join_waitlist"),
    path("patients/<uuid:patient_id>/visits/", visits.patient_visits, name="patient_visits"),
    path("patients/<uuid:patient_id>/book-visit/", booking.book_visit, name="book_visit"),
    path("patients/<uuid:patient_id>/plan-course/", courses.plan_course, name="plan_course"),
    path("patients/<uuid:patient_id>/letters/", letters.patient_letters, name="patient_letters"),
    path("patients/<uuid:patient_id>/chart/", chart.chart, name="chart"),
    path("patients/<uuid:patient_id>/merge/", merges.merge_patient, name="merge_patient"),
    path("patients/<uuid:patient_id>/merges/", merges.patient_merges, name="patient_merges"),
    # /visit-requests/
    path("visit-requests/<uuid:visit_request_id>/", visitrequests.answer_visit_request, name="answer_visit_request"),
    # /merges/
    path("merges/<uuid:merge_id>/undo/", merges.unmerge_patients, name="unmerge_patients"),
]

portal_urls: list[URLPattern] = [
    # /portal/
    path("portal/", portal.portal_home, name="portal_home"),
    path("portal/appointments/", portal.portal_visits, name="portal_visits"),
    path("portal/appointments/<uuid:appointment_id>/", portal.portal_visit, name="portal_visit"),
    path("portal/appointments/<uuid:appointment_id>/visit.ics", portal.portal_visit_ics, name="portal_visit_ics"),
    path("portal/appointments/<uuid:appointment_id>/ask-change/", portal.ask_change, name="ask_change"),
    path("portal/appointments/<uuid:appointment_id>/choose-time/", mymoves.choose_my_time, name="choose_my_time"),
    path("portal/appointments/<uuid:appointment_id>/cancel/", portal.cancel_my_visit, name="cancel_my_visit"),
    path("portal/appointments/<uuid:appointment_id>/confirm/", portal.confirm_my_visit, name="confirm_my_visit"),
    path("portal/appointments/<uuid:appointment_id>/where-i-am/", portal.say_where_i_am, name="say_where_i_am"),
    path(
        "portal/change-requests/<uuid:change_request_id>/withdraw/",
        portal.withdraw_change_request,
        name="withdraw_change_request",
    ),
    path("portal/ask-for-a-visit/", visitrequests.ask_visit, name="ask_visit"),
    path(
        "portal/visit-requests/<uuid:visit_request_id>/withdraw/",
        visitrequests.withdraw_visit_request,
        name="withdraw_visit_request",
    ),
    path("portal/waitlist/", waitlist.portal_waitlist, name="portal_waitlist"),
    path("portal/waitlist/<uuid:waitlist_entry_id>/withdraw/", waitlist.leave_my_waitlist, name="leave_my_waitlist"),
    path("portal/waitlist/offers/<uuid:waitlist_offer_id>/accept/", waitlist.accept_my_offer, name="accept_my_offer"),
    path(
        "portal/waitlist/offers/<uuid:waitlist_offer_id>/decline/", waitlist.decline_my_offer, name="decline_my_offer"
    ),
]

urlpatterns = [
    *today_urls,
    *schedule_urls,
    *report_urls,
    *feed_urls,
    *appointment_urls,
    *waitlist_urls,
    *patient_urls,
    *portal_urls,
]
