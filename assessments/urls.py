"""Every path of this app, in lists headed by their prefix."""

from django.urls import URLPattern

app_name = "assessments"

# /portal/
portal_urls: list[URLPattern] = []

# /patients/<id>/
patient_urls: list[URLPattern] = []

urlpatterns: list[URLPattern] = [*portal_urls, *patient_urls]
