"""Preparing mail: files to be attached are fetched before it is queued."""
