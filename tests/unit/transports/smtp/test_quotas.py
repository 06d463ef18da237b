"""Which refusals are a server's limit on sending, and how long it lasts."""

from __future__ import annotations

import pytest

from mailconfig.transports.smtp.quotas import is_server_limit, server_limit_seconds
from mailconfig.transports.smtp.replies import Reply

MINUTE, HOUR, DAY = 60, 3600, 86_400
LIMITS = [
    # Amazon SES
    (454, "", "Throttling failure: Daily message quota exceeded.", DAY),
    (454, "", "Throttling failure: Maximum sending rate exceeded.", 600),
    # Postfix
    (450, "4.7.1", "Error: too much mail from unknown[192.0.2.1]", 600),
    (450, "4.7.1", "<me@example.com>: Sender address rejected: too much mail", 600),
    (450, "4.7.1", "Error: too many recipients from unknown[192.0.2.1]", 600),
    # Policy services behind Postfix
    (450, "4.7.1", "<to@example.net>: Recipient address rejected: Quota exceeded", 600),
    (450, "4.7.1", "Quota exceeded", 600),
    (554, "5.7.1", "<to@example.net>: Recipient address rejected: Policy Rejection- Quota Exceeded", HOUR),
    (451, "4.3.0", "<me@example.com>: Sender address rejected: limit of 100 mails exceeded", 600),
    (451, "4.3.0", "Message limit for this account exceeded", 600),
    (451, "4.7.1", 'Ratelimit "user" exceeded', 600),
    (451, "4.7.1", "<me@example.com>: Sender address rejected: hostinger_out_ratelimit", 600),
    (554, "5.7.1", "<DATA>: Data command rejected: only 10 messages per day", DAY),
    (450, "4.7.1", "only 5 recipients per 5 minutes allowed", 300),
    (450, "4.7.1", "Number recipients per hour exceeded", HOUR),
    # cPanel
    (
        550,
        "",
        "Domain example.com has exceeded the max emails per hour (150/150 (100%)) allowed. Message discarded.",
        HOUR,
    ),
    (
        550,
        "",
        (
            "Domain example.com has exceeded the max defers and failures per hour (5/5 (100%)) allowed."
            " Message discarded."
        ),
        HOUR,
    ),
    # Plesk
    (
        554,
        "5.7.0",
        (
            "Your message could not be sent. The limit on the number of allowed outgoing messages was exceeded."
            " Try again later."
        ),
        HOUR,
    ),
    # Exim
    (450, "", "Sender rate overlimit - 120.3 / 1h", HOUR),
    # Gmail
    (
        550,
        "5.4.5",
        "Daily user sending limit exceeded. For more information on Gmail sending limits go to",
        DAY,
    ),
    (550, "5.4.5", "Daily sending quota exceeded", DAY),
    (550, "5.7.1", "Daily SMTP relay sending limit exceeded for this user.", DAY),
    (
        421,
        "4.7.28",
        "Our system has detected an unusual rate of unsolicited mail originating from your IP",
        600,
    ),
    # Exchange
    (
        554,
        "5.2.0",
        "STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message",
        HOUR,
    ),
    (550, "5.1.90", "Your message can't be sent because you've reached your daily limit for recipients", DAY),
    (421, "4.4.2", "Message submission rate for this client has exceeded the configured limit", 600),
    (432, "4.3.2", "STOREDRV.ClientSubmit; sender thread limit exceeded", 600),
    # Others
    (
        550,
        "",
        (
            "User me@example.com has exceeded its 24-hour sending limit. Messages to 250 recipients out of 250 allowed"
            " have been sent. Relay quota will reset in 1.53 hours."
        ),
        5508,
    ),
    (450, "", "Requested mail action not taken: mailbox unavailable. Mail send limit exceeded.", 600),
    (550, "5.7.1", "sorry, too many emails", HOUR),
    (550, "5.7.0", "Requested action not taken: too many emails per second", MINUTE),
    (550, "", "Too many messages. Try again in 92 seconds.", 92),
    (550, "", "exceeded hour limit", HOUR),
    (452, "", "Too many recipients received this hour", HOUR),
    (554, "5.7.1", "Sender is throttled", HOUR),
    (451, "", "Maximum credits exceeded for sending", 600),
    (550, "5.7.1", "You have reached your daily limit of mails", DAY),
    (450, "4.7.1", "Monthly sending quota reached", DAY),
]


@pytest.mark.parametrize(("code", "enhanced", "text", "seconds"), LIMITS, ids=[row[2][:40] for row in LIMITS])
def test_a_limit_is_known_by_code_or_words_and_lasts_as_long_as_its_window(
    code: int, enhanced: str, text: str, seconds: int
) -> None:
    reply = Reply(code, text, enhanced)

    assert is_server_limit(reply)
    assert server_limit_seconds(reply) == seconds


@pytest.mark.parametrize(
    ("code", "enhanced", "text"),
    [
        # Parts of other words
        (554, "5.7.1", "automatically generated content"),
        (550, "5.7.1", "machine-generated mail is not accepted"),
        (554, "5.7.1", "Rejected by corporate policy of unlimited exceeding strictness"),
        (450, "4.7.1", "Greylisting in action, please come back later"),
        (550, "5.7.1", "moderated list: not delivered"),
        # A recipient's mailbox
        (452, "4.2.2", "The email account that you tried to reach is over quota"),
        (552, "5.2.2", "Mailbox quota exceeded"),
        (550, "", "Mailbox quota exceeded"),
        (552, "", "Mailbox has exceeded its limit"),
        (
            450,
            "4.2.1",
            "The user you are trying to contact is receiving mail at a rate that prevents delivery",
        ),
        (
            550,
            "5.2.122",
            "The recipient has exceeded their limit for the number of messages they can receive per hour",
        ),
        (552, "", "user over quota"),
        # A recipient's mailbox
        (554, "5.7.1", "<to@example.net>: Recipient address rejected: user is over quota"),
        (452, "", "recipient over quota"),
        (452, "", "The recipient's quota is exceeded"),
        # Size and storage
        (552, "5.3.4", "Message size exceeds fixed limit"),
        (552, "", "Requested mail action aborted: exceeded storage allocation"),
        (552, "", "message exceeds the maximum"),
        (452, "4.3.1", "Insufficient system storage"),
        (550, "", "maximum allowed line length is 998 octets, got 1200: limit exceeded"),
        # One message, one session
        (452, "4.5.3", "Too many recipients"),
        (550, "5.5.3", "number of recipients exceeds the limit"),
        (554, "5.4.6", "Hop count exceeded: possible mail loop"),
        (421, "4.4.2", "Error: timeout exceeded"),
        (421, "4.7.0", "Error: too many errors"),
        (421, "4.7.0", "Too many concurrent connections; limit exceeded"),
        (554, "5.7.1", "Spam score limit exceeded"),
        (550, "5.1.1", "no such user: daily limit exceeded"),
        (250, "2.0.0", "ok, daily limit not exceeded"),
    ],
)
def test_a_limit_on_something_else_is_none_on_sending(code: int, enhanced: str, text: str) -> None:
    assert not is_server_limit(Reply(code, text, enhanced))
