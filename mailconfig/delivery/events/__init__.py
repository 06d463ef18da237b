"""Events that mail services report: what is believed of them, and what follows."""
