"""Where the calls are, below the place at which the host includes this: ``api/v2/`` as the clients know it."""

from django.urls import path

from mailconfig.api.common.documents import DocumentView

from . import actions, aliases, mailbox_views, mailings

DOCUMENT = "mailboxes/openapi.json"
ONE = "mailboxes/<str:mailbox_id>"

urlpatterns = [
    path(
        DOCUMENT,
        DocumentView.as_view(urlconf=__name__, title="Mailboxes", below=DOCUMENT),
        name="mailconfig-mailboxes-openapi",
    ),
    path("mailboxes", mailbox_views.MailboxList.as_view(), name="mailconfig-mailboxes"),
    path(ONE, mailbox_views.MailboxDetail.as_view(), name="mailconfig-mailbox"),
    path("mailboxes/checks/<str:check_id>", actions.MailboxCheck.as_view(), name="mailconfig-mailbox-check"),
    path(f"{ONE}/user", mailbox_views.MailboxUser.as_view(), name="mailconfig-mailbox-user"),
    path(f"{ONE}/creator", mailbox_views.MailboxCreator.as_view(), name="mailconfig-mailbox-creator"),
    path(f"{ONE}/updater", mailbox_views.MailboxUpdater.as_view(), name="mailconfig-mailbox-updater"),
    path(
        f"{ONE}/mailAliases", aliases.MailAliasesOfMailbox.as_view(), name="mailconfig-mailbox-mail-aliases"
    ),
    path(f"{ONE}/mailings", mailings.MailingsOfMailbox.as_view(), name="mailconfig-mailbox-mailings"),
    path("mailings", mailings.MailingList.as_view(), name="mailconfig-mailings"),
    path("mailings/<str:mailing_id>", mailings.MailingDetail.as_view(), name="mailconfig-mailing"),
    path(
        "mailings/<str:mailing_id>/recipients",
        mailings.MailingRecipients.as_view(),
        name="mailconfig-mailing-recipients",
    ),
    path("mailAliases", aliases.MailAliasList.as_view(), name="mailconfig-mail-aliases"),
    path("mailAliases/<str:alias_id>", aliases.MailAliasDetail.as_view(), name="mailconfig-mail-alias"),
    path(f"{ONE}/actions/testSend", actions.TestSend.as_view(), name="mailconfig-mailbox-test-send"),
    path(f"{ONE}/actions/testSync", actions.TestSync.as_view(), name="mailconfig-mailbox-test-sync"),
]
