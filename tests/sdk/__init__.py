"""Tests with the vendors' own clients against a daemon that listens."""
