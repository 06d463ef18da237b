"""What ``manage.py demo`` starts, fills and checks."""
