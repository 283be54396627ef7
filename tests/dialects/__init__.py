"""Tests of the client-facing dialects."""
