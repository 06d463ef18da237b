"""Where the calls are. A tenant stands in the host's name, ``acme.example.com``, or as a realm in the path."""

from django.urls import path

from mailconfig.api.common.documents import DocumentView

from . import views, webhooks

DOCUMENT = "digitanium/v4/mail/openapi.json"
# A realm may not hold a slash. One that does is no other tenant, and is told so like any unknown one.
REALM = "auth/realms/<path:tenant_id>/mail"

urlpatterns = [
    path(
        DOCUMENT,
        DocumentView.as_view(urlconf=__name__, title="Tenant mail configuration", below=DOCUMENT),
        name="mailconfig-tenant-openapi",
    ),
    path("digitanium/v4/mail/config", views.TenantConfig.as_view(), name="mailconfig-tenant-config"),
    path("digitanium/v4/mail/test", views.TenantTest.as_view(), name="mailconfig-tenant-test"),
    path(
        "digitanium/v4/mail/checks/<str:check_id>",
        views.TenantCheck.as_view(),
        name="mailconfig-tenant-check",
    ),
    path("digitanium/v4/mail/webhooks", webhooks.TenantWebhooks.as_view(), name="mailconfig-tenant-webhooks"),
    path(
        "digitanium/v4/mail/webhooks/<str:webhook_id>",
        webhooks.TenantWebhook.as_view(),
        name="mailconfig-tenant-webhook",
    ),
    path(
        "digitanium/v4/mail/webhooks/<str:webhook_id>/secret",
        webhooks.TenantWebhookSecret.as_view(),
        name="mailconfig-tenant-webhook-secret",
    ),
    path(
        "digitanium/v4/mail/webhooks/<str:webhook_id>/test",
        webhooks.TenantWebhookTest.as_view(),
        name="mailconfig-tenant-webhook-test",
    ),
    path(
        "digitanium/v4/mail/webhooks/<str:webhook_id>/deliveries",
        webhooks.TenantWebhookDeliveries.as_view(),
        name="mailconfig-tenant-webhook-deliveries",
    ),
    path(f"{REALM}/setup", views.RealmConfig.as_view(), name="mailconfig-realm-config"),
    path(f"{REALM}/test", views.RealmTest.as_view(), name="mailconfig-realm-test"),
    path(f"{REALM}/checks/<str:check_id>", views.RealmCheck.as_view(), name="mailconfig-realm-check"),
    path(f"{REALM}/webhooks", webhooks.RealmWebhooks.as_view(), name="mailconfig-realm-webhooks"),
    path(
        f"{REALM}/webhooks/<str:webhook_id>",
        webhooks.RealmWebhook.as_view(),
        name="mailconfig-realm-webhook",
    ),
    path(
        f"{REALM}/webhooks/<str:webhook_id>/secret",
        webhooks.RealmWebhookSecret.as_view(),
        name="mailconfig-realm-webhook-secret",
    ),
    path(
        f"{REALM}/webhooks/<str:webhook_id>/test",
        webhooks.RealmWebhookTest.as_view(),
        name="mailconfig-realm-webhook-test",
    ),
    path(
        f"{REALM}/webhooks/<str:webhook_id>/deliveries",
        webhooks.RealmWebhookDeliveries.as_view(),
        name="mailconfig-realm-webhook-deliveries",
    ),
]
