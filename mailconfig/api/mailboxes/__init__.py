"""Surface: mailboxes, ``/api/v2/mailboxes``, in JSON:API."""
