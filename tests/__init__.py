"""The tests mirror the tree of the package; trial runs them."""
