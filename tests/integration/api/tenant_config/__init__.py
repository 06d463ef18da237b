"""The tenants' surface, over both of its routes."""
