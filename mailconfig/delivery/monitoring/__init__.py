"""Status, health, and why something waits: for the admin, the surfaces and the commands."""
