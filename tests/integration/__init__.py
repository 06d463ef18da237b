"""Parts together on real servers and databases."""
