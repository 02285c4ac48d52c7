"""Notebook 09: the loss around a network and along its gradient."""
