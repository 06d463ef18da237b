"""Ways out: everything that leaves this process does so from here. Knows no Django."""
