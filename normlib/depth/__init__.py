"""Notebook 07: what depth does to signals and gradients."""
