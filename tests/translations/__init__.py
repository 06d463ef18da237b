"""What the package says to people, and its translations: found in the code, kept in step, compiled."""
