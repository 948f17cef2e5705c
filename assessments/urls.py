"""Every path of this app, in lists headed by their prefix."""

from django.urls import URLPattern, path

from assessments.views import scores

app_name = "assessments"

# /portal/
portal_urls: list[URLPattern] = [
    path("portal/progress/", scores.my_progress, name="my_progress"),
]

# /patients/<id>/
patient_urls: list[URLPattern] = [
    path("patients/<uuid:patient_id>/chart/scores/", scores.chart_scores, name="chart_scores"),
]

urlpatterns: list[URLPattern] = [*portal_urls, *patient_urls]
