"""Accounts in and out of files.

Why not django-import-export: it keeps an uploaded file in clear until it is confirmed, and the file may hold passwords; its dry
run is a transaction that is rolled back, in which nothing may connect; it stores rows by the model's ``save`` or past it, while
an account has one way to be stored; and it reads and writes one model, a whole file at a time. What is left to take from it
is reading CSV, which the standard library does. YAML is parsed by PyYAML.
"""
