"""Surface: the email service, over which a tenant's programs send mail and try credentials."""
