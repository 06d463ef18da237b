"""Mail accounts in the database: proved, encrypted, and sent from within their limits."""

__version__ = "0.1.0"
