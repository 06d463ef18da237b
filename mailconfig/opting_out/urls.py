"""The page to which links in mail lead, and mail programs post."""

from django.urls import path

from . import views

urlpatterns = [path("<str:token>", views.OptOutView.as_view(), name="mailconfig-unsubscribe")]
