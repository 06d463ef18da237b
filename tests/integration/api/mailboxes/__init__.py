"""The mailboxes' surface."""
