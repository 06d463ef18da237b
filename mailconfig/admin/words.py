"""Words that people meet in the admin and may not know, each with a sentence, on a page of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.db.models.options import Options
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its meaning.

    Attributes:
        anchor: by which a link leads to it.
        word: as pages say it.
        meaning: for somebody who knows no mail servers.
    """

    anchor: str
    word: Any
    meaning: Any


WORDS = (
    Word(
        "smtp",
        "SMTP",
        gettext_lazy("The way in which mail is handed from one server to the next. A mail server that takes your mail speaks it."),
    ),
    Word(
        "imap",
        "IMAP",
        gettext_lazy("The way in which mail is read that lies in a mailbox at its server. Nothing is changed there."),
    ),
    Word(
        "encryption",
        gettext_lazy("encryption"),
        gettext_lazy(
            "Keeps others on the way from reading a connection. With TLS it begins at once, with STARTTLS after the first words;"
            " your mail service says which one it wants at which port."
        ),
    ),
    Word(
        "port",
        gettext_lazy("port"),
        gettext_lazy("The number of a server's door. Mail is handed in at 587 or 465, mostly; IMAP is at 993."),
    ),
    Word(
        "app-password",
        gettext_lazy("app password"),
        gettext_lazy(
            "A password that a service makes for one program, where people have to confirm each login by their telephone otherwise."
        ),
    ),
    Word(
        "oauth2",
        "OAuth 2",
        gettext_lazy(
            "A way to log in without a password: you press Connect, sign in at the service itself, and agree. It can be taken back there at any time."
        ),
    ),
    Word(
        "app-registration",
        gettext_lazy("app registration"),
        gettext_lazy("What a service knows this site by when people connect their accounts; an administrator makes it once."),
    ),
    Word(
        "dns",
        "DNS",
        gettext_lazy("The directory in which a domain says where its servers are, and who may send in its name. Whoever sold you the domain lets you edit it."),
    ),
    Word(
        "spf",
        "SPF",
        gettext_lazy("A line in DNS that names the servers which may send mail of a domain."),
    ),
    Word(
        "dkim",
        "DKIM",
        gettext_lazy("A signature in each mail. Its key stands in DNS, so receivers see that the mail is from there and was not changed."),
    ),
    Word(
        "dmarc",
        "DMARC",
        gettext_lazy("A line in DNS that tells receivers what to do with mail of a domain that has neither SPF nor DKIM in order."),
    ),
    Word(
        "message-id",
        "Message-ID",
        gettext_lazy("A mark in each mail that no other mail in the world has. Support of other mail services finds a mail by it."),
    ),
    Word(
        "envelope-sender",
        gettext_lazy("envelope sender"),
        gettext_lazy("The address to which a mail comes back that could not be delivered. Readers see the from address instead."),
    ),
    Word(
        "bounce",
        gettext_lazy("bounce"),
        gettext_lazy("A report that a mail which a server had taken could not be delivered after all."),
    ),
    Word(
        "suppression",
        gettext_lazy("suppression list"),
        gettext_lazy("Addresses to which nothing is sent any more: they do not exist, complained, or do not want your mail."),
    ),
    Word(
        "queue",
        gettext_lazy("queue"),
        gettext_lazy("Mail that waits for its turn. It goes out in order, within the limits of its account, and is tried again if a server cannot take it now."),
    ),
    Word(
        "limit",
        gettext_lazy("limit"),
        gettext_lazy("How many recipients an account may send to within a time. What is beyond it waits until there is room; nothing is lost."),
    ),
    Word(
        "held",
        gettext_lazy("held"),
        gettext_lazy("A mail that waits until somebody releases it: a person stopped it, or nobody knows whether the server has it already."),
    ),
    Word(
        "paused",
        gettext_lazy("paused"),
        gettext_lazy("An account that sends nothing until somebody acts, since its login is refused, say. Its mail waits."),
    ),
    Word(
        "failover",
        gettext_lazy("failover"),
        gettext_lazy("Another account that sends the mail of one that cannot."),
    ),
    Word(
        "webhook",
        gettext_lazy("webhook"),
        gettext_lazy("An address of a program that is told of something at once, instead of asking again and again."),
    ),
    Word(
        "worker",
        gettext_lazy("worker"),
        gettext_lazy("A program beside this site that sends what is in the queue. Without one, nothing goes out."),
    ),
)  # fmt: skip


def words_page(request: HttpRequest, site: AdminSite, opts: Options[Any]) -> HttpResponse:
    """Answer with all words and their meanings. They are no secret of anybody's: whoever may enter the admin may read them."""
    context = {**site.each_context(request), "title": _("Words explained"), "opts": opts, "words": WORDS}
    return TemplateResponse(request, "admin/mailconfig/words.html", context)
