"""Notebook 08: what moves inside a network while it trains."""
