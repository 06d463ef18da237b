"""The address at which mail services report what became of mail."""
