"""Webhooks: what tenants are told, and what becomes of it when their servers misbehave."""
