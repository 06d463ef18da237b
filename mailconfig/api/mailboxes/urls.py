"""Where the calls are, below the place at which the host includes this: ``api/v2/`` as the clients know it."""

from django.urls import path

from mailconfig.api.common.documents import DocumentView

from . import actions, views

DOCUMENT = "mailboxes/openapi.json"
ONE = "mailboxes/<str:mailbox_id>"

urlpatterns = [
    path(
        DOCUMENT,
        DocumentView.as_view(urlconf=__name__, title="Mailboxes", below=DOCUMENT),
        name="mailconfig-mailboxes-openapi",
    ),
    path("mailboxes", views.MailboxList.as_view(), name="mailconfig-mailboxes"),
    path(ONE, views.MailboxDetail.as_view(), name="mailconfig-mailbox"),
    path("mailboxes/checks/<str:check_id>", actions.MailboxCheck.as_view(), name="mailconfig-mailbox-check"),
    path(f"{ONE}/user", views.MailboxUser.as_view(), name="mailconfig-mailbox-user"),
    path(f"{ONE}/creator", views.MailboxCreator.as_view(), name="mailconfig-mailbox-creator"),
    path(f"{ONE}/updater", views.MailboxUpdater.as_view(), name="mailconfig-mailbox-updater"),
    path(f"{ONE}/actions/testSend", actions.TestSend.as_view(), name="mailconfig-mailbox-test-send"),
    path(f"{ONE}/actions/testSync", actions.TestSync.as_view(), name="mailconfig-mailbox-test-sync"),
]
