"""Training of the weights that ship."""
