"""The pages of the demo project."""

from django.contrib import admin
from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, include, path

from . import reference, views
from .inbox import views as inbox
from .tokens import views as tokens

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("queue", views.queue, name="queue"),
    path("inbox", inbox.page, name="inbox"),
    path("inbox.json", inbox.listing, name="inbox-json"),
    path("api/docs", reference.SwaggerPage.as_view(), name="swagger"),
    path("api/redoc", reference.RedocPage.as_view(), name="redoc"),
    # The admin names no icon, and browsers ask for one all the same.
    path("favicon.ico", lambda _request: HttpResponse(status=204)),
    path("admin/tokens/", admin.site.admin_view(tokens.tokens), name="tokens"),
    path("admin/tokens/revoke", admin.site.admin_view(tokens.revoke), name="revoke-token"),
    path("admin/", admin.site.urls),
    path("", include("mailconfig.urls")),
]
