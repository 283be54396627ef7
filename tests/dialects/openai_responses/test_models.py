"""Tests of the model list in Codex's form."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Model
from ccproxy.dialects.openai_responses.models import codex_catalogue

REQUIRED = {
    "slug": str,
    "display_name": str,
    "supported_reasoning_levels": list,
    "shell_type": str,
    "visibility": str,
    "supported_in_api": bool,
    "priority": int,
    "base_instructions": str,
    "supports_reasoning_summaries": bool,
    "support_verbosity": bool,
    "truncation_policy": dict,
    "supports_parallel_tool_calls": bool,
    "experimental_supported_tools": list,
}
"""The fields without a default in some version of Codex, and their types."""


def shown(*models: Model) -> list[dict[str, Any]]:
    """The list as Codex reads it."""
    listed: list[dict[str, Any]] = json.loads(codex_catalogue(models))["models"]
    return listed


class CatalogueTests(SynchronousTestCase):
    """What Codex learns of a model."""

    def test_known(self) -> None:
        """What the list knows of a model stands in Codex's words."""
        known = Model("vendor/a", "A", context_length=200_000, images=True, efforts=("low", "medium", "max"))

        (model,) = shown(known)

        self.assertEqual((model["slug"], model["display_name"]), ("vendor/a", "A"))
        self.assertEqual((model["context_window"], model["max_context_window"]), (200_000, 200_000))
        self.assertEqual([level["effort"] for level in model["supported_reasoning_levels"]], ["low", "medium"])
        self.assertEqual((model["default_reasoning_level"], model["supports_reasoning_summaries"]), ("medium", True))
        self.assertEqual(model["input_modalities"], ["text", "image"])
        self.assertEqual(model["apply_patch_tool_type"], "freeform")

    def test_unknown(self) -> None:
        """What is unknown is null where that is allowed, and the model is still one that Codex can read."""
        (model,) = shown(Model("b"))

        self.assertEqual((model["display_name"], model["context_window"]), ("b", None))
        self.assertEqual((model["supported_reasoning_levels"], model["default_reasoning_level"]), ([], None))
        self.assertFalse(model["supports_reasoning_summaries"])

    def test_required(self) -> None:
        """Each field that some version of Codex requires is there, in its type."""
        for model in shown(Model("a"), Model("b", images=False, efforts=("high",), context_length=1000)):
            for name, kind in REQUIRED.items():
                self.assertIsInstance(model[name], kind, name)

    def test_instructions(self) -> None:
        """Every model is told how to work, for Codex tells it nothing else."""
        for model in shown(Model("a"), Model("b", efforts=("high",))):
            self.assertIn("*** Begin Patch", model["base_instructions"])

    def test_sight(self) -> None:
        """A model that is known not to see images says so; of one that may, nothing is taken away."""
        blind, unknown = shown(Model("a", images=False), Model("b"))

        self.assertEqual((blind["input_modalities"], unknown["input_modalities"]), (["text"], ["text", "image"]))

    def test_default_effort(self) -> None:
        """A model that lacks the usual effort begins with its lowest."""
        (model,) = shown(Model("a", efforts=("high", "xhigh")))

        self.assertEqual(model["default_reasoning_level"], "high")

    def test_order(self) -> None:
        """Codex shows the models in the order of the list."""
        self.assertEqual([model["priority"] for model in shown(Model("a"), Model("b"))], [1, 2])
