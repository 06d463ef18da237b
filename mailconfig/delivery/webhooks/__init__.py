"""Webhooks: endpoints of tenants are told what happened, signed, again and again until they take it."""
