"""This room is the tests of the stores: what all of them must do, and what each does in its own way."""
