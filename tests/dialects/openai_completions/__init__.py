"""Tests of the legacy Completions dialect."""
