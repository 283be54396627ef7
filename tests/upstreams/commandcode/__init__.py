"""Tests of the Command Code upstream."""
