"""Where the calls are, below the place at which the host includes this: ``rest/v10/`` as the clients know it."""

from django.urls import path

from mailconfig.api.common.documents import DocumentView

from . import views

DOCUMENT = "OutboundEmail/openapi.json"

urlpatterns = [
    path(
        DOCUMENT,
        DocumentView.as_view(urlconf=__name__, title="Outbound e-mails", below=DOCUMENT),
        name="mailconfig-outbound-emails-openapi",
    ),
    path("OutboundEmail", views.OutboundEmailList.as_view(), name="mailconfig-outbound-emails"),
    path(
        "OutboundEmail/testUserOverride",
        views.OverrideTest.as_view(),
        name="mailconfig-outbound-email-override-test",
    ),
    path(
        "OutboundEmail/<str:record_id>", views.OutboundEmailDetail.as_view(), name="mailconfig-outbound-email"
    ),
]
