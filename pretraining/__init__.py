"""The recipes of the weights that ship."""
