"""Tests of the address at which mail services report."""
