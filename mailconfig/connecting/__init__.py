"""The pages on which somebody connects an account: signs in at its service, and comes back."""
