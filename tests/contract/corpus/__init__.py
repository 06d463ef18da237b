"""Bad input by the table: a line more is a case more, at every surface."""
