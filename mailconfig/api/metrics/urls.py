"""Where a scraper comes, below the place at which the host includes this."""

from django.urls import path

from . import views

urlpatterns = [
    path("metrics", views.metrics, name="mailconfig-metrics"),
    path("metrics.json", views.figures, name="mailconfig-figures"),
]
