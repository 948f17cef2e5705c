"""Every path of this app, in lists headed by their prefix."""

from django.urls import URLPattern

app_name = "sessions"

urlpatterns: list[URLPattern] = []
