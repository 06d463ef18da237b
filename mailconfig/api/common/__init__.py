"""What all surfaces share: who asks, what may be read, how a body is read, and what becomes of an error."""
