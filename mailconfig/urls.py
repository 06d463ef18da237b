"""All surfaces where their clients know them: ``path("", include("mailconfig.urls"))``.

A surface alone, or elsewhere: include its own ``urls``. What ``MAILCONFIG["SURFACES"]`` does not name answers 404.
"""

from django.urls import URLPattern, URLResolver, include, path

from mailconfig.api.common.documents import DocumentView

DOCUMENT = "mailconfig/openapi.json"

urlpatterns: list[URLPattern | URLResolver] = [
    path(
        DOCUMENT,
        DocumentView.as_view(urlconf=__name__, title="mailconfig", below=DOCUMENT),
        name="mailconfig-openapi",
    ),
    path("mailconfig/", include("mailconfig.api.metrics.urls")),
    path("rest/v10/", include("mailconfig.api.outbound_email.urls")),
    path("api/v2/mail/", include("mailconfig.api.providers.urls")),
    path("api/v2/", include("mailconfig.api.mailboxes.urls")),
    path("oauth2/", include("mailconfig.connecting.urls")),
    path("webhooks/", include("mailconfig.webhooks.urls")),
    path("unsubscribe/", include("mailconfig.opting_out.urls")),
    path("email-service/", include("mailconfig.api.email_service.urls")),
    path("", include("mailconfig.api.tenant_config.urls")),
]
