"""Models with secret fields, for tests of the field on its own."""
