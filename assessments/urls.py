"""Every path of this app, in lists headed by their prefix."""

from django.urls import URLPattern, path

from assessments.views import (
    alerts,
    asking,
    clearances,
    entries,
    health,
    instruments,
    kiosk,
    links,
    mypacket,
    packets,
    questionnaires,
    requests,
    safetyplans,
    scores,
)

app_name = "assessments"

# /portal/
portal_urls: list[URLPattern] = [
    path("portal/packet/", mypacket.my_packet, name="my_packet"),
    path("portal/packet/check/", mypacket.packet_check, name="packet_check"),
    path("portal/packet/done/", mypacket.packet_done, name="packet_done"),
    path("portal/packet/<slug:part>/", mypacket.packet_section, name="packet_section"),
    path("portal/to-do/", requests.to_do, name="to_do"),
    path("portal/questionnaires/<uuid:request_id>/", requests.answer_questionnaire, name="answer_questionnaire"),
    path("portal/questionnaires/<uuid:request_id>/done/", requests.questionnaire_done, name="questionnaire_done"),
    path("portal/safety-plan/", safetyplans.my_safety_plan, name="my_safety_plan"),
    path("portal/progress/", scores.my_progress, name="my_progress"),
]

# /patients/<id>/
patient_urls: list[URLPattern] = [
    path("patients/<uuid:patient_id>/chart/health/", health.chart_health, name="chart_health"),
    path("patients/<uuid:patient_id>/record-condition/", health.record_condition, name="record_condition"),
    path("patients/<uuid:patient_id>/record-diagnosis/", health.record_diagnosis, name="record_diagnosis"),
    path("patients/<uuid:patient_id>/record-allergy/", health.record_allergy, name="record_allergy"),
    path("patients/<uuid:patient_id>/record-medication/", health.record_medication, name="record_medication"),
    path("patients/<uuid:patient_id>/record-measurement/", health.record_measurement, name="record_measurement"),
    path("patients/<uuid:patient_id>/record-trial/", health.record_trial, name="record_trial"),
    path(
        "patients/<uuid:patient_id>/record-family-history/", health.record_family_history, name="record_family_history"
    ),
    path("patients/<uuid:patient_id>/record-statement/", health.record_statement, name="record_statement"),
    path("patients/<uuid:patient_id>/kiosk-code/", kiosk.give_kiosk_code, name="give_kiosk_code"),
    path("patients/<uuid:patient_id>/chart/alerts/", alerts.chart_alerts, name="chart_alerts"),
    path("patients/<uuid:patient_id>/safety-plan/", safetyplans.safety_plan, name="safety_plan"),
    path("patients/<uuid:patient_id>/write-safety-plan/", safetyplans.write_safety_plan, name="write_safety_plan"),
    path(
        "patients/<uuid:patient_id>/chart/questionnaires/",
        questionnaires.chart_questionnaires,
        name="chart_questionnaires",
    ),
    path(
        "patients/<uuid:patient_id>/ask-questionnaires/", questionnaires.ask_questionnaires, name="ask_questionnaires"
    ),
    path("patients/<uuid:patient_id>/enter-questionnaire/", entries.enter_questionnaire, name="enter_questionnaire"),
    path("patients/<uuid:patient_id>/chart/scores/", scores.chart_scores, name="chart_scores"),
]

# /patients/<id>/clearance/ and /clearances/
clearance_urls: list[URLPattern] = [
    path("patients/<uuid:patient_id>/chart/flags/", clearances.chart_flags, name="chart_flags"),
    path("patients/<uuid:patient_id>/clearance/", clearances.review_clearance, name="review_clearance"),
    path("patients/<uuid:patient_id>/clearance/begin/", clearances.begin_review, name="begin_review"),
    path("patients/<uuid:patient_id>/clearance/decide/", clearances.decide_clearance, name="decide_clearance"),
    path("patients/<uuid:patient_id>/clearance/acknowledge/", clearances.acknowledge_flags, name="acknowledge_flags"),
    path("clearances/", clearances.clearances, name="clearances"),
    path("clearances/<uuid:clearance_id>/withdraw/", clearances.withdraw_clearance, name="withdraw_clearance"),
]

# /questionnaires/ and /responses/
questionnaire_urls: list[URLPattern] = [
    path("questionnaires/", questionnaires.open_requests, name="open_requests"),
    path(
        "questionnaires/<uuid:request_id>/take-back/", questionnaires.cancel_questionnaire, name="cancel_questionnaire"
    ),
    path("responses/<uuid:response_id>/", questionnaires.response, name="response"),
    path("responses/<uuid:response_id>/correct/", entries.correct_response, name="correct_response"),
    path("responses/<uuid:response_id>/take-back/", entries.take_back_response, name="take_back_response"),
]

# /questionnaires/ by a letter's link, and /kiosk/: nobody is signed in there
alone_urls: list[URLPattern] = [
    path("questionnaires/<uuid:request_id>/send-link/", links.send_answer_link, name="send_answer_link"),
    path("questionnaires/answering/", links.answer_by_link, name="answer_by_link"),
    path("questionnaires/sent/", links.answers_sent, name="answers_sent"),
    path("questionnaires/<str:token>/", links.answer_link, name="answer_link"),
    path("kiosk/", kiosk.kiosk, name="kiosk"),
    path("kiosk/answering/", kiosk.kiosk_answering, name="kiosk_answering"),
    path("kiosk/done/", kiosk.kiosk_done, name="kiosk_done"),
    path("kiosk/leave/", kiosk.leave_kiosk, name="leave_kiosk"),
]

# /office/
office_urls: list[URLPattern] = [
    path("office/instruments/", instruments.instruments, name="instruments"),
    path("office/instruments/<slug:code>/", instruments.instrument, name="instrument"),
    path("office/instruments/<slug:code>/record-wording/", instruments.record_wording, name="record_wording"),
    path("office/instruments/<slug:code>/withdraw-wording/", instruments.withdraw_wording, name="withdraw_wording"),
    path("office/asking-rules/", asking.asking_rules, name="asking_rules"),
    path("office/asking-rules/add/", asking.add_asking_rule, name="add_asking_rule"),
    path("office/asking-rules/<uuid:rule_id>/end/", asking.end_asking_rule, name="end_asking_rule"),
]

# /alerts/
alert_urls: list[URLPattern] = [
    path("alerts/", alerts.alerts, name="alerts"),
    path("alerts/<uuid:alert_id>/", alerts.alert, name="alert"),
    path("alerts/<uuid:alert_id>/record-contact/", alerts.record_contact, name="record_contact"),
    path("alerts/<uuid:alert_id>/dispose/", alerts.dispose_alert, name="dispose_alert"),
]

# /patients/<id>/intake/ and /packets/
packet_urls: list[URLPattern] = [
    path("patients/<uuid:patient_id>/intake/", packets.patient_intake, name="patient_intake"),
    path("patients/<uuid:patient_id>/invite-packet/", packets.invite_packet, name="invite_packet"),
    path("packets/<uuid:packet_id>/", packets.packet, name="packet"),
    path("packets/<uuid:packet_id>/withdraw/", packets.withdraw_packet, name="withdraw_packet"),
    path("packets/<uuid:packet_id>/remind/", packets.remind_packet, name="remind_packet"),
]

# /health/<table>/<id>/
health_urls: list[URLPattern] = [
    path("health/medication/<uuid:fact_id>/confirm-medicine/", health.confirm_medicine, name="confirm_medicine"),
    path("health/<slug:table>/<uuid:fact_id>/", health.health_fact, name="health_fact"),
    path("health/<slug:table>/<uuid:fact_id>/correct/", health.correct_fact, name="correct_fact"),
    path("health/<slug:table>/<uuid:fact_id>/take-back/", health.take_back_fact, name="take_back_fact"),
    path("health/<slug:table>/<uuid:fact_id>/confirm/", health.confirm_fact, name="confirm_fact"),
]

urlpatterns: list[URLPattern] = [
    *health_urls,
    *packet_urls,
    *alert_urls,
    *portal_urls,
    *patient_urls,
    *clearance_urls,
    *questionnaire_urls,
    *alone_urls,
    *office_urls,
]
