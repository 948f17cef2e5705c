"""Every path of this app, in lists headed by their prefix."""

from django.urls import path

from patients.views import (
    careteams,
    consents,
    consenttexts,
    contacts,
    patients,
    portal,
    preferences,
    public,
    referrals,
    referrers,
)

app_name = "patients"

urlpatterns = [
    # /welcome/ /ask/ /join/
    path("welcome/", public.welcome, name="welcome"),
    path("ask/", public.enquire, name="enquire"),
    path("ask/sent/", public.enquiry_sent, name="enquiry_sent"),
    path("join/done/", public.joined, name="joined"),
    path("join/<str:token>/", public.join_portal, name="join_portal"),
    # /referrals/
    path("referrals/", referrals.referrals, name="referrals"),
    path("referrals/enter/", referrals.enter_referral, name="enter_referral"),
    path("referrals/<uuid:referral_id>/", referrals.referral, name="referral"),
    path("referrals/<uuid:referral_id>/accept/", referrals.accept_referral, name="accept_referral"),
    path("referrals/<uuid:referral_id>/decline/", referrals.decline_referral, name="decline_referral"),
    path("referrals/<uuid:referral_id>/close/", referrals.close_referral, name="close_referral"),
    path("referrals/<uuid:referral_id>/link/", referrals.link_referral, name="link_referral"),
    path("referrals/<uuid:referral_id>/unlink/", referrals.unlink_referral, name="unlink_referral"),
    # /patients/
    path("patients/", patients.patients, name="patients"),
    path("patients/register/", patients.register_patient, name="register_patient"),
    path("patients/<uuid:patient_id>/", patients.patient, name="patient"),
    path("patients/<uuid:patient_id>/edit/", patients.edit_patient, name="edit_patient"),
    path("patients/<uuid:patient_id>/history/", patients.patient_history, name="patient_history"),
    path("patients/<uuid:patient_id>/life-state/", patients.change_life_state, name="change_life_state"),
    path("patients/<uuid:patient_id>/take-back-death/", patients.take_back_death, name="take_back_death"),
    path("patients/<uuid:patient_id>/invite/", patients.invite_to_portal, name="invite_to_portal"),
    path(
        "patients/<uuid:patient_id>/withdraw-invitation/",
        patients.withdraw_portal_invitation,
        name="withdraw_portal_invitation",
    ),
    path("patients/<uuid:patient_id>/suspend-portal/", patients.suspend_portal, name="suspend_portal"),
    path("patients/<uuid:patient_id>/preferences/", preferences.preferences, name="preferences"),
    path("patients/<uuid:patient_id>/add-contact/", contacts.add_contact, name="add_contact"),
    path(
        "patients/<uuid:patient_id>/referring-clinician/",
        referrers.set_referring_clinician,
        name="set_referring_clinician",
    ),
    path(
        "patients/<uuid:patient_id>/referring-clinician/end/",
        referrers.end_referring_clinician,
        name="end_referring_clinician",
    ),
    path("patients/<uuid:patient_id>/care-team/", careteams.care_team, name="care_team"),
    path("patients/<uuid:patient_id>/care-team/add/", careteams.add_care_team_member, name="add_care_team_member"),
    path("patients/<uuid:patient_id>/break-glass/", careteams.break_glass, name="break_glass"),
    path("patients/<uuid:patient_id>/chart/consents/", consents.chart_consents, name="chart_consents"),
    path("patients/<uuid:patient_id>/consents/mail-code/", consents.mail_consent_code, name="mail_consent_code"),
    path("patients/<uuid:patient_id>/consents/<uuid:text_id>/take/", consents.take_consent, name="take_consent"),
    path("patients/<uuid:patient_id>/withdraw-consent/", consents.withdraw_consent, name="withdraw_consent"),
    path(
        "patients/<uuid:patient_id>/raise-capacity-concern/",
        consents.raise_capacity_concern,
        name="raise_capacity_concern",
    ),
    path(
        "patients/<uuid:patient_id>/settle-capacity-concern/",
        consents.settle_capacity_concern,
        name="settle_capacity_concern",
    ),
    # /consents/
    path("consents/<uuid:consent_id>/", consents.signed_consent, name="signed_consent"),
    # /consent-texts/
    path("consent-texts/", consenttexts.consent_texts, name="consent_texts"),
    path("consent-texts/draft-first/", consenttexts.draft_first_consent_texts, name="draft_first_consent_texts"),
    path("consent-texts/<uuid:text_id>/", consenttexts.consent_text, name="consent_text"),
    path("consent-texts/<uuid:text_id>/draft/", consenttexts.draft_consent_text, name="draft_consent_text"),
    path("consent-texts/<uuid:text_id>/edit/", consenttexts.edit_consent_text, name="edit_consent_text"),
    path("consent-texts/<uuid:text_id>/publish/", consenttexts.publish_consent_text, name="publish_consent_text"),
    # /contacts/
    path("contacts/<uuid:contact_id>/edit/", contacts.edit_contact, name="edit_contact"),
    path("contacts/<uuid:contact_id>/end/", contacts.end_contact, name="end_contact"),
    # /address-changes/
    path("address-changes/<uuid:wish_id>/answer/", patients.answer_address_change, name="answer_address_change"),
    # /care-team-members/
    path(
        "care-team-members/<uuid:member_id>/remove/", careteams.remove_care_team_member, name="remove_care_team_member"
    ),
    path("care-team-members/<uuid:member_id>/lead/", careteams.lead_care_team, name="lead_care_team"),
    # /break-glass/
    path("break-glass/", careteams.break_glass_reviews, name="break_glass_reviews"),
    path("break-glass/<uuid:grant_id>/review/", careteams.review_break_glass, name="review_break_glass"),
    # /portal/me/
    path("portal/me/", portal.portal_me, name="portal_me"),
    path("portal/me/preferences/", portal.portal_preferences, name="portal_preferences"),
    path("portal/me/ask-address-change/", portal.ask_address_change, name="ask_address_change"),
    # /portal/consents/
    path("portal/consents/", portal.my_consents, name="my_consents"),
    path("portal/consents/<uuid:text_id>/sign/", portal.sign_consent, name="sign_consent"),
    path("portal/consents/<uuid:consent_id>/copy/", portal.consent_copy, name="consent_copy"),
    path("portal/consents/<uuid:consent_id>/withdraw/", portal.withdraw_my_consent, name="withdraw_my_consent"),
]
