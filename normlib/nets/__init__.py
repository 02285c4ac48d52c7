"""Small networks in numpy: layers, norm layers, losses, training, watching."""
