"""Tests of the web rooms: the whole house in memory, from a client's bytes to a simulated upstream and back."""
