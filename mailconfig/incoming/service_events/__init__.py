"""Reports of mail services: what became of messages, each service in its own words, and how it signs them."""
