"""Tests of bytes in motion: the upstream connection, the relay between two sockets, and the deadlines on it."""
