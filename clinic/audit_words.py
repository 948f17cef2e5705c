"""Every verb of the audit in plain words, for the page that privacy officers read. A test holds it against ``Verb``."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from clinic.audit import Verb

WORDS: dict[Verb, Any] = {
    Verb.APPOINTMENT_BOOKED: _("booked a visit"),
    Verb.APPOINTMENT_CANCELLED: _("cancelled a visit"),
    Verb.APPOINTMENT_CHANGE_ANSWERED: _("answered a wish to change a visit"),
    Verb.APPOINTMENT_CHANGE_ASKED: _("asked to change a visit"),
    Verb.APPOINTMENT_CHANGE_WITHDRAWN: _("took back a wish to change a visit"),
    Verb.APPOINTMENT_CHECKED_IN: _("checked somebody in"),
    Verb.APPOINTMENT_CHECK_IN_UNDONE: _("took a check-in back"),
    Verb.APPOINTMENT_COMPLETED: _("completed a visit"),
    Verb.APPOINTMENT_CONFIRMED: _("confirmed a visit"),
    Verb.APPOINTMENT_LEFT: _("recorded that somebody left early"),
    Verb.APPOINTMENT_MISSED: _("recorded that somebody did not come"),
    Verb.APPOINTMENT_MISS_UNDONE: _("took “did not come” back"),
    Verb.APPOINTMENT_MOVED: _("moved a visit"),
    Verb.APPOINTMENT_RECORDED: _("recorded a visit afterwards"),
    Verb.APPOINTMENT_RECORD_UNDONE: _("took back a visit that was recorded afterwards"),
    Verb.APPOINTMENT_STARTED: _("began a visit"),
    Verb.AUDIT_SEARCHED: _("read the audit"),
    Verb.BREAK_GLASS_REVIEWED: _("reviewed an emergency opening"),
    Verb.BREAK_GLASS_USED: _("opened a chart in an emergency"),
    Verb.CARE_TEAM_CHANGED: _("changed a care team"),
    Verb.CLOSURE_CANCELLED: _("cancelled a closure"),
    Verb.CLOSURE_ENTERED: _("entered a closure"),
    Verb.CONTACT_ADDED: _("added a contact"),
    Verb.CONTACT_CHANGED: _("changed a contact"),
    Verb.CONTACT_ENDED: _("ended a contact"),
    Verb.DEVICE_ENROLLED: _("enrolled a screen"),
    Verb.DEVICE_REVOKED: _("revoked a screen"),
    Verb.EQUIPMENT_CHANGED: _("changed equipment"),
    Verb.HOURS_CHANGED: _("changed hours"),
    Verb.LICENCE_CHANGED: _("changed a licence"),
    Verb.LIST_READ: _("was shown a list"),
    Verb.LOCATION_CHANGED: _("changed a location"),
    Verb.MEMBERSHIP_CHANGED: _("changed a role"),
    Verb.MEMBERSHIP_ENDED: _("ended a role"),
    Verb.MEMBERSHIP_STARTED: _("gave a role"),
    Verb.MESSAGE_FAILED: _("could not send a letter"),
    Verb.MESSAGE_OUTCOME_UNKNOWN: _("does not know what became of a letter"),
    Verb.MESSAGE_QUEUED: _("queued a letter"),
    Verb.MESSAGE_SENT: _("sent a letter"),
    Verb.MESSAGE_SETTLED: _("said what became of a letter"),
    Verb.MESSAGE_SKIPPED: _("left a letter unsent"),
    Verb.PASSWORD_CHANGED: _("changed a password"),
    Verb.PATIENT_ADDRESS_CHANGED: _("changed a patient's address"),
    Verb.PATIENT_ADDRESS_CHANGE_ASKED: _("asked for another address"),
    Verb.PATIENT_ADDRESS_CHANGE_REFUSED: _("refused another address"),
    Verb.PATIENT_CHANGED: _("changed a patient's details"),
    Verb.PATIENT_LIFE_STATE_CHANGED: _("changed whether somebody is a patient"),
    Verb.PATIENT_REGISTERED: _("registered a patient"),
    Verb.PERMISSION_REFUSED: _("was refused a page"),
    Verb.POLICY_APPROVED: _("approved a policy"),
    Verb.POLICY_DRAFTED: _("drafted a policy"),
    Verb.PORTAL_INVITATION_WITHDRAWN: _("withdrew an invitation to the portal"),
    Verb.PORTAL_INVITED: _("invited to the portal"),
    Verb.PORTAL_JOINED: _("joined the portal"),
    Verb.PORTAL_JOIN_REFUSED: _("was refused by the portal"),
    Verb.PORTAL_SUSPENDED: _("closed the portal for somebody"),
    Verb.PREFERENCE_CHANGED: _("changed how somebody is reached"),
    Verb.RECORD_READ: _("read a record"),
    Verb.REFERRAL_ACCEPTED: _("accepted an enquiry"),
    Verb.REFERRAL_BOOKED: _("booked from an enquiry"),
    Verb.REFERRAL_CLOSED: _("closed an enquiry"),
    Verb.REFERRAL_DECLINED: _("declined an enquiry"),
    Verb.REFERRAL_LINKED: _("linked an enquiry to a patient"),
    Verb.REFERRAL_RECEIVED: _("sent or entered an enquiry"),
    Verb.REFERRAL_REOPENED: _("reopened an enquiry"),
    Verb.REFERRAL_UNLINKED: _("took an enquiry back from a patient"),
    Verb.REMINDER_PLAN_PUBLISHED: _("published a reminder plan"),
    Verb.ROOM_CHANGED: _("changed a room"),
    Verb.SECOND_FACTOR_ADDED: _("added a second factor"),
    Verb.SECOND_FACTOR_REMOVED: _("removed a second factor"),
    Verb.SECOND_FACTOR_RESET: _("reset somebody's second factor"),
    Verb.SESSION_ENDED: _("ended a session"),
    Verb.SIGNED_IN: _("signed in"),
    Verb.SIGNED_OUT: _("signed out"),
    Verb.SIGN_IN_FAILED: _("failed to sign in"),
    Verb.STAFF_CHANGED: _("changed a colleague's details"),
    Verb.STAFF_INVITED: _("invited somebody to the team"),
    Verb.STAFF_INVITATION_WITHDRAWN: _("withdrew an invitation to the team"),
    Verb.STAFF_JOINED: _("joined the team"),
    Verb.STAFF_LEFT: _("recorded that somebody left the team"),
    Verb.SUPPRESSION_CHANGED: _("stopped or allowed letters to an address"),
    Verb.TIME_OFF_CANCELLED: _("cancelled time off"),
    Verb.TIME_OFF_ENTERED: _("entered time off"),
    Verb.VISIT_TYPE_PUBLISHED: _("published a kind of visit"),
    Verb.WORK_ITEM_CLOSED: _("closed a piece of work"),
    Verb.WORK_ITEM_HANDED_OVER: _("handed work over"),
}

# What a row is about, by the name of its model. What is not here is shown by that name.
SUBJECTS: dict[str, Any] = {
    "appointment": _("visit"),
    "breakglass": _("emergency opening"),
    "careteammember": _("care team"),
    "changerequest": _("wish to change a visit"),
    "closure": _("closure"),
    "contact": _("contact"),
    "contactpreference": _("way of being reached"),
    "device": _("equipment"),
    "enrolleddevice": _("screen"),
    "licence": _("licence"),
    "location": _("location"),
    "membership": _("role"),
    "outboundmessage": _("letter"),
    "patient": _("patient"),
    "policyversion": _("policy"),
    "portalinvitation": _("invitation to the portal"),
    "referral": _("enquiry"),
    "reminderplan": _("reminder plan"),
    "room": _("room"),
    "staffinvitation": _("invitation to the team"),
    "suppression": _("stopped address"),
    "timeoff": _("time off"),
    "user": _("account"),
    "visittype": _("kind of visit"),
    "workitem": _("piece of work"),
}


_BY_VALUE = {verb.value: words for verb, words in WORDS.items()}


def said(verb: str) -> str:
    """Return a verb in plain words, or as it is when nobody has put it into words yet."""
    return str(_BY_VALUE.get(verb, verb))


def called(subject_type: str) -> str:
    """Return what kind of thing a row is about, in plain words."""
    return str(SUBJECTS.get(subject_type, subject_type))
