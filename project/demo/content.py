"""The people and accounts of the demo, and mail in their queues."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_urlsafe

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.mail import send_mail

from mailconfig import delivery
from mailconfig.models import Mailbox, Message, OAuth2Client, OAuth2GrantType, OutboundEmail, Tenant
from mailconfig.models.choices import SyncMethod
from mailconfig.models.oauth2_providers import OAuth2Provider
from mailconfig.values import Authentication, Secret, Security

from .authority import CLIENT_ID, Authority
from .mails import recipient, sender, subject, text, write_mails

ADMIN = "admin"
TENANT = "acme"
SUPPORT = "support@acme.example"
NEWS = "news@acme.example"
SALES = "sales@acme.example"
SYNC_SECONDS = 10
"""So often the mailboxes are looked into: more often than anybody else would, so that there is something to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where one of the demo's mail servers listens, and who may log in."""

    host: str
    port: int
    username: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """People of the demo, and the admin's password of this run."""

    admin: User
    password: str
    tenant: Tenant


def make_people() -> People:
    """The admin, with a new password, and the tenant she belongs to."""
    users = get_user_model().objects
    admin, _created = users.get_or_create(username=ADMIN)
    admin.email, admin.is_staff, admin.is_superuser, admin.is_active = "admin@acme.example", True, True, True
    password = token_urlsafe(12)
    admin.set_password(password)
    admin.save()
    tenant, _created = Tenant.objects.get_or_create(slug=TENANT, defaults={"name": "Acme"})
    tenant.members.add(admin)
    return People(admin=admin, password=password, tenant=tenant)


def make_mailboxes(people: People, *, smtp: Login, imap: Login) -> tuple[Mailbox, Mailbox]:
    """Two mailboxes at the demo's mail servers, with different limits."""
    support = _mailbox("Acme support", SUPPORT, people, count=5, period=20)
    news = _mailbox("Acme newsletter", NEWS, people, count=3, period=10)
    support.is_default = True
    for mailbox in (support, news):
        _connect(mailbox, smtp=smtp, imap=imap)
        mailbox.serves_project = True
        mailbox.updated_by = people.admin
        mailbox.full_clean()
        mailbox.save()
    return support, news


def make_account_to_connect(people: People, *, smtp: Login, authority: Authority) -> OutboundEmail:
    """An account of the admin's for which somebody has to sign in, with the app registration that it logs in by."""
    client = OAuth2Client.objects.filter(client_id=CLIENT_ID).first() or OAuth2Client(
        client_id=CLIENT_ID, name="Acme sign-in"
    )
    client.provider, client.scopes, client.mail_servers = OAuth2Provider.GENERIC, "mail.send", smtp.host
    client.authorization_endpoint = authority.url("/authorize")
    client.token_endpoint = authority.url("/token")
    client.secret = Secret(authority.client_secret)
    delivery.save_oauth2_client(client=client)
    account = OutboundEmail.objects.filter(deleted_at=None, from_email=SALES).first() or OutboundEmail(
        name="Acme sales", from_email=SALES, from_name="Acme sales", owner=people.admin
    )
    account.host, account.port, account.security = smtp.host, smtp.port, Security.NONE
    account.username = SALES
    delivery.choose_oauth2_login(
        account=account, client=client, grant_type=OAuth2GrantType.AUTHORIZATION_CODE
    )
    delivery.save_account(account=account, by=people.admin)
    return account


def _mailbox(name: str, address: str, people: People, *, count: int, period: int) -> Mailbox:
    """A new one, or that of an earlier run."""
    found = Mailbox.objects.filter(deleted_at=None, tenant=people.tenant, from_email=address).first()
    if isinstance(found, Mailbox):
        return found
    return Mailbox(
        name=name,
        from_email=address,
        from_name=name,
        tenant=people.tenant,
        limit_count=count,
        limit_period=period,
        sync_interval=SYNC_SECONDS,
        created_by=people.admin,
    )


def _connect(mailbox: Mailbox, *, smtp: Login, imap: Login) -> None:
    """Let it use this run's servers and password: one user sends for all, and each address has a mailbox of its own."""
    mailbox.host, mailbox.port = smtp.host, smtp.port
    mailbox.security, mailbox.authentication = Security.NONE, Authentication.PASSWORD
    mailbox.username = mailbox.smtp_login_name = smtp.username
    mailbox.sync_method = SyncMethod.IMAP
    mailbox.imap_host, mailbox.imap_port, mailbox.imap_ssl = imap.host, imap.port, True
    mailbox.enter_password(Secret(smtp.password))


def queue_by_send_mail(mailbox: Mailbox, count: int) -> list[Message]:
    """Queue mail the way a project does that knows nothing of mailconfig: the From address finds the account."""
    newest = _newest_id(mailbox)
    for number in range(1, count + 1):
        send_mail(subject(str(mailbox), number), text(number), sender(mailbox), [recipient(number)])
    return list(mailbox.messages.filter(pk__gt=newest).order_by("pk"))


def queue_by_delivery(mailbox: Mailbox, count: int) -> list[Message]:
    """Queue mail by the app's own operation."""
    return [delivery.enqueue(mail, account=mailbox) for mail in write_mails(mailbox, count)]


def _newest_id(mailbox: Mailbox) -> int:
    return mailbox.messages.order_by("-pk").values_list("pk", flat=True).first() or 0
