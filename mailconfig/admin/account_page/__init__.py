"""The page of an account beside its form: how it is doing, and what can be done with it."""
