"""A database backend of a kind that mailconfig does not know, as far as checks look at one."""
