"""All surfaces where their clients know them: ``path("", include("mailconfig.urls"))``.

A surface alone, or elsewhere: include its own ``urls``. What ``MAILCONFIG["SURFACES"]`` does not name answers 404.
"""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v2/mail/", include("mailconfig.api.providers.urls")),
]
