"""The drain of one account: guards, the line of due mail, the session, the outcome."""
