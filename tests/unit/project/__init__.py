"""The demo project's own parts."""
