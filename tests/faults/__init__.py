"""Tests of what the daemon does when the world around it misbehaves, on real sockets of the loopback interface."""
