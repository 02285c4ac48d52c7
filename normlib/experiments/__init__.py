"""One module for each experiment and its theory; the notebooks call them by name."""
