"""Surface: a tenant's mail configuration, for its portal and for its realm of the identity server."""
