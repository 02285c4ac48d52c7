"""Checks that say what is wrong with the reader's function, one module a notebook."""
