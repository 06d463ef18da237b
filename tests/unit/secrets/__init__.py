"""Tests of mailconfig.secrets and of the key checks."""
