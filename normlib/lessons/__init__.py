"""What a notebook says and asks: one module a notebook."""
