"""Notebook 05: what a norm does to gradients and step sizes."""
