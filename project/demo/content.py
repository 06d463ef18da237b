"""The people and accounts of the demo, and mail in their queues."""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_urlsafe

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.mail import send_mail

from mailconfig import delivery
from mailconfig.models import Mailbox, Message, Tenant
from mailconfig.values import Authentication, Secret, Security

from .mails import recipient, sender, subject, text, write_mails

ADMIN = "admin"
TENANT = "acme"


@dataclass(frozen=True, slots=True, kw_only=True)
class SMTPLogin:
    """Where the demo's mail server listens, and who may log in."""

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


def make_mailboxes(people: People, login: SMTPLogin) -> tuple[Mailbox, Mailbox]:
    """Two mailboxes at the demo's mail server, with different limits."""
    support = _mailbox("Acme support", "support@acme.example", people, login, count=5, period=20)
    news = _mailbox("Acme newsletter", "news@acme.example", people, login, count=3, period=10)
    if not support.is_default:
        support.is_default = True
        support.save(update_fields=["is_default"])
    return support, news


def _mailbox(
    name: str, address: str, people: People, login: SMTPLogin, *, count: int, period: int
) -> Mailbox:
    """A new one, or that of an earlier run for this run's server and password."""
    found = Mailbox.objects.filter(deleted_at=None, tenant=people.tenant, from_email=address).first()
    mailbox = (
        found
        if isinstance(found, Mailbox)
        else Mailbox(
            name=name,
            from_email=address,
            from_name=name,
            tenant=people.tenant,
            limit_count=count,
            limit_period=period,
            created_by=people.admin,
        )
    )
    mailbox.serves_project = True
    mailbox.host, mailbox.port = login.host, login.port
    mailbox.security, mailbox.authentication = Security.NONE, Authentication.PASSWORD
    mailbox.username, mailbox.secret = login.username, Secret(login.password)
    mailbox.updated_by = people.admin
    mailbox.full_clean()
    mailbox.save()
    return mailbox


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
