"""One address for all services; the token in it says whose mail it is about."""

from django.urls import path

from . import views

urlpatterns = [
    path("<slug:service>/<str:token>", views.receive, name="mailconfig-event-webhook"),
]
"""Without a slash at the end: a service follows no redirect that Django would answer with."""
