"""Notebook 11: weight norm, instance norm and the invariances of the family."""
