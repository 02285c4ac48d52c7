"""Notebook 12: norms in a small transformer that reverses words."""
