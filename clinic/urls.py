"""(Roof) The ground floor's own URLs and one include per app; every app states its full paths.

Third-party URLs are on a list with a reason in clinic/checks.py.
"""

from django.urls import URLPattern, include, path

from clinic.views import health, home

clinic_urls: list[URLPattern] = [
    # /
    path("", home.home, name="home"),
    path("help-now/", home.help_now, name="help_now"),
    path("switch-location/", home.switch_location, name="switch_location"),
    # /healthz
    path("healthz", health.healthz, name="healthz"),
]

urlpatterns = [
    path("", include((clinic_urls, "clinic"))),
    path("", include("patients.urls")),
    path("", include("sessions.urls")),
    path("account/", include("allauth.urls")),
]

handler400 = "clinic.views.errors.bad_request"
handler403 = "clinic.views.errors.not_permitted"
handler404 = "clinic.views.errors.not_found"
handler500 = "clinic.views.errors.server_error"
