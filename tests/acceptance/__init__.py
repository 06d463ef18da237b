"""What a user is promised, end to end."""
