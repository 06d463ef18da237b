"""Metrics of the whole installation, for a scraper."""
