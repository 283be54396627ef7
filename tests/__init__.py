"""Tests mirror the tree; properties are tried with fewer examples than Hypothesis would, so that the suite stays short."""

import os

from hypothesis import settings

settings.register_profile("suite", max_examples=40, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
