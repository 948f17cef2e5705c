"""(Roof) The ground floor's own URLs and one include per app; every app states its full paths.

Third-party URLs are on a list with a reason in clinic/accounts.py.
"""

from django.urls import URLPattern, include, path, re_path

from clinic.views import (
    accounts,
    audit,
    devices,
    health,
    home,
    hours,
    messages,
    pages,
    people,
    places,
    policy,
    rota,
    signatures,
    worklist,
)

clinic_urls: list[URLPattern] = [
    # /
    path("", home.home, name="home"),
    path("help-now/", home.help_now, name="help_now"),
    path("switch-location/", home.switch_location, name="switch_location"),
    # /account/
    path("account/continue-as/", accounts.continue_as, name="continue_as"),
    path("account/join/<str:token>/", accounts.join, name="join"),
    path("account/signing-code/", signatures.mail_signing_code, name="mail_signing_code"),
    path("account/still-here/", accounts.still_here, name="still_here"),
    path("account/time-left/", accounts.time_left, name="time_left"),
    path("account/kept-form/", accounts.kept_form, name="kept_form"),
    path("account/kept-form/drop/", accounts.drop_kept_form, name="drop_kept_form"),
    path("account/sessions/", accounts.my_sessions, name="my_sessions"),
    path("account/sessions/end-others/", accounts.end_other_sessions, name="end_other_sessions"),
    path("account/sessions/<int:session_id>/end/", accounts.end_session, name="end_session"),
    # /devices/
    path("devices/set-up/", devices.set_up_device, name="set_up_device"),
    # /messages/
    path("messages/", messages.messages, name="messages"),
    path("messages/<uuid:message_id>/settle/", messages.settle_message, name="settle_message"),
    # /pages/
    path("pages/<uuid:page_id>/", pages.page, name="page"),
    path("pages/<uuid:page_id>/acknowledge/", pages.acknowledge_page, name="acknowledge_page"),
    # /worklist/
    path("worklist/", worklist.worklist, name="worklist"),
    path("worklist/<uuid:item_id>/close/", worklist.close_work_item, name="close_work_item"),
    # /office/people/, /office/roles/, /office/invitations/
    path("office/people/", people.people, name="people"),
    path("office/people/invite/", people.invite_person, name="invite_person"),
    path("office/people/add-colleague/", people.add_colleague, name="add_colleague"),
    path("office/people/<uuid:person_id>/", people.person, name="person"),
    path("office/people/<uuid:person_id>/edit/", people.edit_person, name="edit_person"),
    path("office/people/<uuid:person_id>/start-role/", people.start_membership, name="start_membership"),
    path("office/people/<uuid:person_id>/record-licence/", people.record_licence, name="record_licence"),
    path("office/people/<uuid:person_id>/reset-second-factor/", people.reset_second_factor, name="reset_second_factor"),
    path("office/people/<uuid:person_id>/leave/", people.leave_person, name="leave_person"),
    path("office/roles/<uuid:membership_id>/change/", people.change_membership, name="change_membership"),
    path("office/roles/<uuid:membership_id>/end/", people.end_membership, name="end_membership"),
    path("office/invitations/<uuid:invitation_id>/withdraw/", people.withdraw_invitation, name="withdraw_invitation"),
    # /healthz
    path("healthz", health.healthz, name="healthz"),
    # /office/
    path("office/", places.office, name="office"),
    path("office/audit/", audit.audit_log, name="audit_log"),
    path("office/policy/", policy.policy, name="policy"),
    path("office/policy/draft/", policy.draft_policy, name="draft_policy"),
    path("office/policy/draft/approve/", policy.approve_policy, name="approve_policy"),
    path("office/policy/draft/discard/", policy.discard_policy, name="discard_policy"),
    path("office/policy/<uuid:policy_id>/", policy.policy_version, name="policy_version"),
    # /office/locations/
    path("office/locations/add/", places.add_location, name="add_location"),
    path("office/locations/<uuid:location_id>/edit/", places.edit_location, name="edit_location"),
    path("office/locations/<uuid:location_id>/add-room/", places.add_room, name="add_room"),
    path("office/locations/<uuid:location_id>/add-equipment/", places.add_equipment, name="add_equipment"),
    path("office/locations/<uuid:location_id>/set-opening-hours/", hours.set_opening_hours, name="set_opening_hours"),
    path("office/locations/<uuid:location_id>/enter-closure/", hours.enter_closure, name="enter_closure"),
    path("office/locations/<uuid:location_id>/enter-time-off/", hours.enter_time_off, name="enter_time_off"),
    path("office/locations/<uuid:location_id>/enroll-device/", devices.enroll_device, name="enroll_device"),
    path(
        "office/locations/<uuid:location_id>/people/<uuid:person_id>/set-working-hours/",
        hours.set_working_hours,
        name="set_working_hours",
    ),
    path(
        "office/locations/<uuid:location_id>/time-off/<uuid:time_off_id>/cancel/",
        hours.cancel_time_off,
        name="cancel_time_off",
    ),
    # /office/rota/, /office/duties/
    path("office/rota/", rota.rota, name="rota"),
    path("office/locations/<uuid:location_id>/enter-duty/", rota.enter_duty, name="enter_duty"),
    path("office/duties/<uuid:duty_id>/cancel/", rota.cancel_duty, name="cancel_duty"),
    # /office/rooms/, /office/equipment/, /office/hours/, /office/closures/, /office/devices/
    path("office/rooms/", places.rooms, name="rooms"),
    path("office/rooms/<uuid:room_id>/edit/", places.edit_room, name="edit_room"),
    path("office/equipment/<uuid:equipment_id>/edit/", places.edit_equipment, name="edit_equipment"),
    path("office/hours/", hours.hours, name="hours"),
    path("office/closures/<uuid:closure_id>/cancel/", hours.cancel_closure, name="cancel_closure"),
    path("office/devices/", devices.devices, name="devices"),
    path("office/devices/<uuid:device_id>/revoke/", devices.revoke_device, name="revoke_device"),
]

# allauth's views, one by one: what is not listed is not served (clinic.accounts.THIRD_PARTY_URLS says why each is).
account_urls: list[URLPattern] = [
    path("login/", accounts.account_login, name="account_login"),
    path("login/code/", accounts.account_request_login_code, name="account_request_login_code"),
    path("login/code/confirm/", accounts.account_confirm_login_code, name="account_confirm_login_code"),
    path("logout/", accounts.account_logout, name="account_logout"),
    path("signup/", accounts.account_signup, name="account_signup"),
    path("inactive/", accounts.account_inactive, name="account_inactive"),
    path("reauthenticate/", accounts.account_reauthenticate, name="account_reauthenticate"),
    path("password/change/", accounts.account_change_password, name="account_change_password"),
    path("password/reset/", accounts.account_reset_password, name="account_reset_password"),
    path("password/reset/done/", accounts.account_reset_password_done, name="account_reset_password_done"),
    path(
        "password/reset/key/done/",
        accounts.account_reset_password_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        accounts.account_reset_password_from_key,
        name="account_reset_password_from_key",
    ),
    path("2fa/", accounts.mfa_index, name="mfa_index"),
    path("2fa/authenticate/", accounts.mfa_authenticate, name="mfa_authenticate"),
    path("2fa/reauthenticate/", accounts.mfa_reauthenticate, name="mfa_reauthenticate"),
    path("2fa/totp/activate/", accounts.mfa_activate_totp, name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", accounts.mfa_deactivate_totp, name="mfa_deactivate_totp"),
    path("2fa/recovery-codes/", accounts.mfa_view_recovery_codes, name="mfa_view_recovery_codes"),
    path("2fa/recovery-codes/generate/", accounts.mfa_generate_recovery_codes, name="mfa_generate_recovery_codes"),
    path("2fa/recovery-codes/download/", accounts.mfa_download_recovery_codes, name="mfa_download_recovery_codes"),
    path("2fa/passkeys/", accounts.mfa_list_webauthn, name="mfa_list_webauthn"),
    path("2fa/passkeys/add/", accounts.mfa_add_webauthn, name="mfa_add_webauthn"),
    path("2fa/passkeys/login/", accounts.mfa_login_webauthn, name="mfa_login_webauthn"),
    path("2fa/passkeys/reauthenticate/", accounts.mfa_reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    path("2fa/passkeys/<int:pk>/edit/", accounts.mfa_edit_webauthn, name="mfa_edit_webauthn"),
    path("2fa/passkeys/<int:pk>/remove/", accounts.mfa_remove_webauthn, name="mfa_remove_webauthn"),
]

urlpatterns = [
    path("", include((clinic_urls, "clinic"))),
    path("", include("patients.urls")),
    path("", include("assessments.urls")),
    path("", include("sessions.urls")),
    path("account/", include(account_urls)),
]

handler400 = "clinic.views.errors.bad_request"
handler403 = "clinic.views.errors.not_permitted"
handler404 = "clinic.views.errors.not_found"
handler500 = "clinic.views.errors.server_error"
