"""Where the calls are, below the place at which the host includes this: ``api/v2/mail/`` as the clients know it."""

from django.urls import path

from mailconfig.api.common.documents import DocumentView

from . import views

DOCUMENT = "providers/openapi.json"

urlpatterns = [
    path(
        DOCUMENT,
        DocumentView.as_view(urlconf=__name__, title="SMTP providers", below=DOCUMENT),
        name="mailconfig-providers-openapi",
    ),
    path("providers", views.ProviderList.as_view(), name="mailconfig-providers"),
    path("providers/<str:provider_id>", views.ProviderDetail.as_view(), name="mailconfig-provider"),
    path(
        "providers/<str:provider_id>/status",
        views.ProviderStatus.as_view(),
        name="mailconfig-provider-status",
    ),
    path("providers/checks/<str:check_id>", views.ProviderCheck.as_view(), name="mailconfig-provider-check"),
]
