"""Adding an account: which kind, an address and a password, the connection tried before anybody's eyes."""
