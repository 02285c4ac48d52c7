"""Notebooks 06 and 12: layer norm as a projection onto a sphere."""
