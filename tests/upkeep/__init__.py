"""Tests of the things that are refreshed on a timer."""
