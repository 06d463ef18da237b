"""The worker: drains of accounts, and the house-keeping beside them (sweep, checks, purge)."""
