"""Notebooks 01, 03, 04 and 10: what a batch does to a norm."""
