"""The page of an account, and the one to which services send browsers back."""

from django.urls import path

from . import views

urlpatterns = [
    path("callback/", views.callback, name="mailconfig-oauth2-callback"),
    path("connect/<uuid:uuid>/", views.connect, name="mailconfig-connect"),
    path("connect/<uuid:uuid>/disconnect/", views.disconnect, name="mailconfig-disconnect"),
]
