"""URLs of the tests: the admin, and the app's own as a host project includes them."""

import importlib.util

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [path("admin/", admin.site.urls)]
if importlib.util.find_spec("mailconfig.urls"):
    urlpatterns.append(path("", include("mailconfig.urls")))
