"""The clock and the hands: the Celery application and the whole timetable in one literal.

Nothing is queued here. Rows are the queue; a task finds what is due, and a second run finds nothing.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")

app = Celery("stillwater")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

app.conf.beat_schedule = {
    "call-due-pages": {"task": "clinic.tasks.call_due_pages", "schedule": 20.0, "options": {"expires": 20}},
    "ring-again": {"task": "assessments.tasks.ring_again", "schedule": 60.0, "options": {"expires": 60}},
    "deliver-messages": {"task": "clinic.tasks.deliver_messages", "schedule": 20.0, "options": {"expires": 20}},
    "flag-stuck-messages": {"task": "clinic.tasks.flag_stuck_messages", "schedule": 300.0, "options": {"expires": 300}},
    "tell-of-rota-gaps": {"task": "clinic.tasks.tell_of_rota_gaps", "schedule": 900.0, "options": {"expires": 900}},
    "queue-due-reminders": {"task": "sessions.tasks.queue_due_reminders", "schedule": 60.0, "options": {"expires": 60}},
    "look-after-visits": {"task": "sessions.tasks.look_after_visits", "schedule": 300.0, "options": {"expires": 300}},
    "look-after-waitlist": {"task": "sessions.tasks.look_after_waitlist", "schedule": 60.0, "options": {"expires": 60}},
    "look-after-talks": {"task": "sessions.tasks.look_after_talks", "schedule": 60.0, "options": {"expires": 60}},
    "look-after-rooms": {"task": "sessions.tasks.look_after_rooms", "schedule": 60.0, "options": {"expires": 60}},
    "ask-what-is-due": {"task": "assessments.tasks.ask_what_is_due", "schedule": 60.0, "options": {"expires": 60}},
    "tell-of-questionnaires": {
        "task": "assessments.tasks.tell_of_questionnaires",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "expire-questionnaires": {
        "task": "assessments.tasks.expire_questionnaires",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "expire-packets": {"task": "assessments.tasks.expire_packets", "schedule": 600.0, "options": {"expires": 600}},
    "expire-clearances": {
        "task": "assessments.tasks.expire_clearances",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "rescreen-by-time": {"task": "assessments.tasks.rescreen_by_time", "schedule": 600.0, "options": {"expires": 600}},
    "seal-audit": {"task": "clinic.tasks.seal_audit", "schedule": 3600.0, "options": {"expires": 3600}},
    "beat-heartbeat": {"task": "clinic.tasks.heartbeat", "schedule": 15.0, "options": {"expires": 15}},
}
