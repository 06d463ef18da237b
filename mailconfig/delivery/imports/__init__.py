"""Coming from elsewhere: a project's mail settings become accounts, mail that waits in another queue becomes messages."""
