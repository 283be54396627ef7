"""This module is the model list as Codex reads it: ``GET /v1/models?client_version=``, or the file that its ``model_catalog_json`` names.

Field names and words are those of Codex's ``ModelInfo`` (codex-rs, protocol crate, ``openai_models.rs``). Fields without a default there
are always sent, those that only older versions require too. Efforts that older versions do not know are left out, as one unknown word makes
them refuse the whole list.
"""

from __future__ import annotations

from collections.abc import Sequence

from ccproxy.codecs import Model
from ccproxy.dialects.openai_responses.instructions import CODEX_INSTRUCTIONS
from ccproxy.framing import dumps

_EFFORTS = {
    "low": "Answers quickly, thinks little",
    "medium": "Thinks as much as most tasks need",
    "high": "Thinks long, for hard tasks",
    "xhigh": "Thinks as long as it can",
}
_USUAL_EFFORT = "medium"
_OUTPUT_LIMIT = 10_000  # bytes of a tool's output that Codex keeps, its own default


def codex_catalogue(models: Sequence[Model]) -> bytes:
    """The JSON of all models, the first one first in Codex's list."""
    return dumps({"models": [_shown(model, priority) for priority, model in enumerate(models, 1)]})


def _shown(model: Model, priority: int) -> dict[str, object]:
    efforts = [effort for effort in model.efforts or () if effort in _EFFORTS]
    usual = _USUAL_EFFORT if _USUAL_EFFORT in efforts else next(iter(efforts), None)
    return {
        "slug": model.id,
        "display_name": model.name or model.id,
        "description": None,
        "default_reasoning_level": usual,
        "supported_reasoning_levels": [{"effort": effort, "description": _EFFORTS[effort]} for effort in efforts],
        "shell_type": "unified_exec",
        "visibility": "list",
        "supported_in_api": True,
        "priority": priority,
        "availability_nux": None,
        "upgrade": None,
        "base_instructions": CODEX_INSTRUCTIONS,
        "supports_reasoning_summaries": bool(efforts),
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": "freeform",
        "truncation_policy": {"mode": "bytes", "limit": _OUTPUT_LIMIT},
        "supports_parallel_tool_calls": True,
        "context_window": model.context_length,
        "max_context_window": model.context_length,
        "auto_compact_token_limit": None,
        "effective_context_window_percent": 95,
        "experimental_supported_tools": [],
        "input_modalities": ["text"] if model.images is False else ["text", "image"],
    }
