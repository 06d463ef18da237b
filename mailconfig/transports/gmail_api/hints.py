"""Words for what stands between us and a mailbox of Gmail's, and what probably helps."""

from __future__ import annotations

NO_GMAIL = "No Gmail answers here, or a broken one."
NEEDS_TOKEN = "Gmail's interface lets nobody in with a password: log in by OAuth 2."  # noqa: S105
BAD_TOKEN = "The access token has characters that no token has."  # noqa: S105
CHOOSE_OAUTH2 = "Choose an app registration of Google's for this account, and connect it."
TOKEN_REFUSED = "Gmail refused the access token."  # noqa: S105
TOO_FEW_RIGHTS = "The permission does not reach as far: what is asked of Gmail needs another right."
ANOTHER_MAILBOX = "The permission is for another mailbox than this account's user name says."
SAME_ADDRESS = "Connect the account again, and sign in with the address that is its user name."
SWITCHED_OFF = "The Gmail API is not switched on in the project of the app registration."
SWITCH_ON = "Switch on the Gmail API in the Google Cloud project of the app registration."
NOT_ALLOWED = "Whoever looks after the mailbox's domain does not let the app in."
ALLOW_APP = "An administrator of the domain has to trust the app in Google's admin console."
NO_MAILBOX = "This login has no mailbox at Gmail, or it is switched off."
BUSY = "Gmail wants to be left alone for a while."
GAVE_UP = "The server gave up in the middle of it."
NO_TIME = "Gmail has no time for this mailbox now."
SAME_PAGES = "Gmail tells the same page again and again."
NO_LABEL = "There is no label of this name in the mailbox."
MAKE_LABEL = "Make a label of this name in Gmail."
