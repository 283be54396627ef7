"""This module is the list of models: as built in, with what each of them can do, and as the upstream publishes it.

The built-in list is a hint of September 2026, put together from the public catalogues of the time; ids and sizes change weekly. The live
list has ids, names and context lengths only, so the rest is looked up here. Sizes that the catalogues round to thousands are
taken at their smaller reading (131k is 131000), because they serve as limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from attrs import frozen

from ccproxy.codecs import Model
from ccproxy.errors import Kind, ProxyError
from ccproxy.framing import MalformedJSONError, loads
from ccproxy.prompt import Effort

_T = TypeVar("_T")

_M = 1_000_000
_LATEST_SECONDS = 100_000_000_000  # what is greater counts something else
_TEXT, _SEES = False, True
_FIXED = ""
_TO_HIGH = "low medium high"
_TO_XHIGH = "low medium high xhigh"
_TO_MAX = "low medium high xhigh max"


@frozen
class Capabilities:
    """What a model can do; None is unknown.

    Attributes:
        context: Tokens of input and output together.
        max_output: Tokens of one answer.
        images: Whether it sees images; others are sent to it in vain.
        efforts: The efforts that it takes, in rising order; none when the effort cannot be chosen.
    """

    context: int | None
    max_output: int | None
    images: bool | None
    efforts: tuple[Effort, ...] | None


# id, context, longest output, images, efforts
_BUILT_IN: tuple[tuple[str, int | None, int | None, bool | None, str | None], ...] = (
    ("deepseek/deepseek-v4-pro", _M, 384_000, _TEXT, "high max"),
    ("deepseek/deepseek-v4-flash", _M, 384_000, _TEXT, "high max"),
    ("deepseek/deepseek-v4-flash-fast", _M, 32_000, _TEXT, "low high max"),
    ("deepseek/deepseek-v4-flash-vision-exp", _M, 384_000, _SEES, "high max"),
    ("deepseek/deepseek-v4.1-flash", _M, 384_000, _SEES, "low high max"),
    ("deepseek/deepseek-v4.1-flash-fast", _M, 384_000, _SEES, "low high max"),
    ("moonshotai/Kimi-K3", _M, 131_000, _SEES, "low high max"),
    ("moonshotai/Kimi-K2.7-Code", 256_000, 262_000, _SEES, _FIXED),
    ("moonshotai/Kimi-K2.7-Code-Highspeed", 262_000, 262_000, _SEES, _FIXED),
    ("moonshotai/Kimi-K2.6", 256_000, 262_000, _SEES, _FIXED),
    ("moonshotai/Kimi-K2.5", 256_000, 256_000, _SEES, _FIXED),
    ("z-ai/glm-5.3-flash", 1_048_576, 131_000, _SEES, "low high max"),
    ("z-ai/glm-5.3-flashx", _M, 131_000, _SEES, "low high max"),
    ("zai-org/GLM-5.3", _M, 131_000, _TEXT, "low high max"),
    ("zai-org/GLM-5.2", _M, 131_000, _TEXT, "high max"),
    ("zai-org/GLM-5.2-Fast", _M, 131_000, _TEXT, _FIXED),
    ("zai-org/GLM-5.1", 200_000, 131_000, _TEXT, _FIXED),
    ("zai-org/GLM-5", 200_000, 131_000, _TEXT, _FIXED),
    ("MiniMaxAI/MiniMax-M3", _M, 512_000, _SEES, _TO_HIGH),
    ("MiniMaxAI/MiniMax-M2.7", 200_000, 131_000, _TEXT, _FIXED),
    ("MiniMaxAI/MiniMax-M2.5", 200_000, 131_000, _TEXT, _FIXED),
    ("xiaomi/mimo-v2.5-pro", _M, 131_000, _TEXT, _FIXED),
    ("xiaomi/mimo-v2.5", _M, 131_000, _SEES, _FIXED),
    ("xiaomi/mimo-v2.6-pro", 1_048_576, None, _SEES, _FIXED),
    ("xiaomi/mimo-v2.6-pro-ultraspeed", 1_048_576, None, _SEES, _FIXED),
    ("xiaomi/mimo-v2.6-flash", 1_048_576, None, _SEES, _FIXED),
    ("Qwen/Qwen3.8-Max", _M, 32_000, _SEES, "low medium xhigh"),
    ("Qwen/Qwen3.8-Max-0902", _M, 32_000, _SEES, "low medium xhigh"),
    ("Qwen/Qwen3.8-Flash", _M, 32_000, _SEES, "low medium xhigh"),
    ("Qwen/Qwen3.8-27B", 262_144, 32_000, _SEES, "low medium xhigh"),
    ("Qwen/Qwen3.8-Omni-Flash", _M, 131_000, _SEES, "low medium xhigh"),
    ("Qwen/Qwen3.7-Max", _M, 32_000, _TEXT, _FIXED),
    ("Qwen/Qwen3.7-Plus", _M, 32_000, _SEES, _FIXED),
    ("Qwen/Qwen3.7-Flash", _M, 32_000, _SEES, _FIXED),
    ("Qwen/Qwen3.6-Max-Preview", _M, 32_000, _TEXT, _FIXED),
    ("Qwen/Qwen3.6-Plus", _M, 32_000, _SEES, _FIXED),
    ("meituan/LongCat-2.0", 1_048_576, 262_000, _TEXT, _FIXED),
    ("stepfun/Step-3.7-Flash", 256_000, 256_000, _SEES, _FIXED),
    ("stepfun/Step-3.5-Flash", _M, 256_000, _TEXT, _FIXED),
    ("stepfun/Step-5-Preview", _M, None, _SEES, _FIXED),
    ("tencent/hy3-paid", 262_144, 32_000, _TEXT, _FIXED),
    ("tencent/hy4-preview", 1_048_576, 64_000, _TEXT, _TO_HIGH),
    ("nvidia/nemotron-3-ultra-550b-a55b", _M, 65_000, _TEXT, _FIXED),
    ("thinkingmachines/inkling", 256_000, 65_000, _SEES, _FIXED),
    ("thinkingmachines/inkling-small", _M, 32_000, _SEES, _FIXED),
    ("poolside/laguna-s-2.1-free", 256_000, 32_000, _TEXT, _FIXED),
    ("inclusionai/ling-3.0-flash-sante:free", 262_144, 32_000, _TEXT, _FIXED),
    ("inclusionai/ling-3.1-flash:free", 262_144, 32_000, _TEXT, _FIXED),
    ("meta/muse-spark-1.2-contributor", 1_048_576, 131_000, _SEES, _TO_XHIGH),
    ("meta/muse-spark-1.3-contributor", 1_048_576, 131_000, _SEES, _TO_MAX),
    ("meta/muse-spark-1.1", None, None, _SEES, None),
    ("meta/muse-spark-1.2", None, None, _SEES, None),
    ("meta/muse-spark-1.3", None, None, _SEES, None),
    ("xai/grok-4.5", 500_000, 500_000, _SEES, _TO_HIGH),
    ("xai/grok-4.6", 500_000, None, _SEES, _TO_XHIGH),
    ("xai/grok-4.7", 500_000, None, _SEES, None),
    ("google/gemini-3.1-flash-lite", _M, None, _SEES, _TO_HIGH),
    ("google/gemini-3.5-flash", _M, None, _SEES, _TO_HIGH),
    ("google/gemini-3.5-flash-lite", _M, None, _SEES, _TO_HIGH),
    ("google/gemini-3.6-flash", _M, None, _SEES, _TO_HIGH),
    ("google/gemini-3.7-flash", 1_048_576, None, _SEES, _TO_HIGH),
    ("google/gemini-3.8-flash", None, None, _SEES, _TO_HIGH),
    ("gpt-5.3-codex", None, None, _SEES, _TO_XHIGH),
    ("gpt-5.4", None, None, _SEES, _TO_XHIGH),
    ("gpt-5.4-mini", 400_000, None, _SEES, _TO_HIGH),
    ("gpt-5.5", 200_000, None, _SEES, _TO_XHIGH),
    ("gpt-5.6-luna", 1_050_000, 128_000, _SEES, _TO_MAX),
    ("gpt-5.6-sol", 1_050_000, None, _SEES, _TO_MAX),
    ("gpt-5.6-terra", 1_050_000, None, _SEES, _TO_MAX),
    ("gpt-6-astra", 1_050_000, None, _SEES, _TO_MAX),
    ("gpt-6-luna", None, None, _SEES, _TO_MAX),
    ("gpt-6-sol", None, None, _SEES, _TO_MAX),
    ("gpt-6.1-sol", None, None, _SEES, _TO_MAX),
    ("claude-haiku-4-5-20251001", 200_000, None, _SEES, _FIXED),
    ("claude-sonnet-4-6", _M, None, _SEES, _TO_MAX),
    ("claude-opus-4-7", _M, None, _SEES, _TO_MAX),
    ("claude-opus-4-8", _M, None, _SEES, _TO_MAX),
    ("claude-sonnet-5", _M, None, _SEES, _TO_MAX),
    ("claude-opus-5", _M, None, _SEES, _TO_MAX),
    ("claude-fable-5", _M, None, _SEES, _TO_MAX),
    ("claude-haiku-5-5", None, None, _SEES, None),
    ("claude-sonnet-5-5", None, None, _SEES, _TO_MAX),
    ("claude-opus-5-5", None, None, _SEES, _TO_MAX),
    ("claude-fable-5-1", None, None, _SEES, _TO_MAX),
    ("sakana/fugu-ultra", _M, None, None, "high xhigh"),
    ("stealth/space-bunny-alpha", None, None, None, None),
)


def _efforts(names: str | None) -> tuple[Effort, ...] | None:
    return None if names is None else tuple(Effort(name) for name in names.split())


_CAPABILITIES = {
    model_id.lower(): Capabilities(context, max_output, images, _efforts(efforts))
    for model_id, context, max_output, images, efforts in _BUILT_IN
}
_UNKNOWN = Capabilities(None, None, None, None)


def capabilities(model_id: str) -> Capabilities | None:
    """What is known of a model, whatever the case of its id; None when nothing is."""
    return _CAPABILITIES.get(model_id.lower())


def fallback() -> Sequence[Model]:
    """The built-in list."""
    return tuple(_model(model_id, {}) for model_id, *_ in _BUILT_IN)


def parse(body: bytes) -> Sequence[Model]:
    """Read the answer to ``GET /provider/v1/models``, completed by what is built in.

    Entries without an id are skipped, and of two entries with one id the first counts.

    Raises:
        ProxyError: `Kind.UPSTREAM`, when it lists no model at all.
    """
    models: dict[str, Model] = {}
    for entry in _entries(body):
        if isinstance(entry, dict) and isinstance(model_id := entry.get("id"), str) and model_id:
            models.setdefault(model_id, _model(model_id, entry))
    if not models:
        raise ProxyError(Kind.UPSTREAM, "The upstream's list of models is not one.")
    return tuple(models.values())


def _entries(body: bytes) -> Sequence[object]:
    try:
        listing = loads(body)
    except MalformedJSONError:
        return []
    if isinstance(listing, dict):
        listing = listing.get("data")
    return listing if isinstance(listing, list) else []


def _model(model_id: str, entry: Mapping[str, object]) -> Model:
    """A model of the live list, completed by what is built in; what the live list says wins."""
    able = capabilities(model_id) or _UNKNOWN
    created = _typed(entry, "created", int) or 0
    endpoints = _typed(entry, "supported_endpoints", list) or []
    return Model(
        model_id,
        name=_typed(entry, "name", str),
        owner=_typed(entry, "owned_by", str) or "command-code",
        created=created if 0 <= created < _LATEST_SECONDS else 0,
        context_length=_typed(entry, "context_length", int) or able.context,
        max_output=able.max_output,
        images=able.images,
        efforts=None if able.efforts is None else tuple(effort.value for effort in able.efforts),
        endpoints=tuple(endpoint for endpoint in endpoints if isinstance(endpoint, str)),
    )


def _typed(entry: Mapping[str, object], name: str, wanted: type[_T]) -> _T | None:
    value = entry.get(name)
    return value if isinstance(value, wanted) and not isinstance(value, bool) else None
