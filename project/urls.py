"""The pages of the demo project."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path

from . import views
from .inbox import views as inbox

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("queue", views.queue, name="queue"),
    path("inbox", inbox.page, name="inbox"),
    path("inbox.json", inbox.listing, name="inbox-json"),
    path("admin/", admin.site.urls),
]
