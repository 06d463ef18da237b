"""The demo: all that ``manage.py demo`` starts, fills and checks."""
