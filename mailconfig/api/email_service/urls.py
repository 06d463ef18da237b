"""Where the calls are, below wherever the service is mounted."""

from django.urls import path

from mailconfig.api.common.documents import DocumentView

from . import connections, suppressions, views

DOCUMENT = "openapi.json"

urlpatterns = [
    path(
        DOCUMENT,
        DocumentView.as_view(urlconf=__name__, title="Email service", below=DOCUMENT),
        name="mailconfig-email-openapi",
    ),
    path("send-email", views.SendEmail.as_view(), name="mailconfig-send-email"),
    path("messages/<str:message_id>", views.EmailMessage.as_view(), name="mailconfig-email-message"),
    path("send-test-email", connections.SendTestEmail.as_view(), name="mailconfig-send-test-email"),
    path(
        "validate-credentials",
        connections.ValidateCredentials.as_view(),
        name="mailconfig-validate-credentials",
    ),
    path("suppressions", suppressions.Suppressions.as_view(), name="mailconfig-email-suppressions"),
    path(
        "suppressions/<str:suppression_id>",
        suppressions.SuppressionEntry.as_view(),
        name="mailconfig-email-suppression",
    ),
    path("checks/<str:check_id>", connections.EmailCheck.as_view(), name="mailconfig-email-check"),
]
