"""Statements that PostgreSQL plans once, and sends without waiting."""
