"""Projects with more than one database, and with one of another kind."""
