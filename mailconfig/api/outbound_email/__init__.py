"""Surface: a user's own ways to send mail, ``/rest/v10/OutboundEmail``."""
