"""This module is the catalogue of the simulated service: some real models, by their real ids."""

from collections.abc import Iterable

import msgspec
from attrs import frozen


@frozen
class Entry:
    """A model of the catalogue; ``context`` is in tokens, ``endpoints`` are paths of the public API."""

    id: str
    name: str
    context: int = 1_000_000
    endpoints: tuple[str, ...] = ("/v1/chat/completions",)


_CREATED = 1_750_000_000  # seconds since the epoch, the same for every model
_CLAUDE = ("/v1/chat/completions", "/v1/messages")
_GPT = ("/v1/chat/completions", "/v1/responses")

CATALOGUE = (
    Entry("deepseek/deepseek-v4-pro", "DeepSeek V4 Pro"),
    Entry("deepseek/deepseek-v4-flash", "DeepSeek V4 Flash"),
    Entry("deepseek/deepseek-v4.1-flash", "DeepSeek V4.1 Flash"),
    Entry("moonshotai/Kimi-K3", "Kimi K3"),
    Entry("moonshotai/Kimi-K2.6", "Kimi K2.6", 256_000),
    Entry("moonshotai/Kimi-K2.5", "Kimi K2.5", 256_000),
    Entry("zai-org/GLM-5.3", "GLM 5.3"),
    Entry("zai-org/GLM-5.2", "GLM 5.2"),
    Entry("MiniMaxAI/MiniMax-M3", "MiniMax M3"),
    Entry("xiaomi/mimo-v2.5-pro", "MiMo V2.5 Pro"),
    Entry("xiaomi/mimo-v2.5", "MiMo V2.5"),
    Entry("Qwen/Qwen3.8-Max", "Qwen3.8 Max"),
    Entry("google/gemini-3.7-flash", "Gemini 3.7 Flash", 1_048_576),
    Entry("claude-sonnet-5", "Claude Sonnet 5", endpoints=_CLAUDE),
    Entry("claude-sonnet-4-6", "Claude Sonnet 4.6", endpoints=_CLAUDE),
    Entry("claude-opus-4-8", "Claude Opus 4.8", endpoints=_CLAUDE),
    Entry("claude-haiku-4-5-20251001", "Claude Haiku 4.5", 200_000, _CLAUDE),
    Entry("gpt-5.6-sol", "GPT-5.6 Sol", 1_050_000, _GPT),
    Entry("gpt-5.5", "GPT-5.5", 200_000, _GPT),
)

KNOWN = frozenset(entry.id for entry in CATALOGUE)


def listing(special: Iterable[str]) -> bytes:
    """The body of ``GET /provider/v1/models``: the catalogue, then the ids of the ``special`` cases."""
    entries = [*CATALOGUE, *(Entry(name, f"Simulator: {name.partition('/')[2]}", 200_000) for name in special)]
    return msgspec.json.encode({"object": "list", "data": [_record(entry) for entry in entries]})


def _record(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.id,
        "object": "model",
        "created": _CREATED,
        "owned_by": "command-code",
        "name": entry.name,
        "context_length": entry.context,
        "supported_endpoints": entry.endpoints,
    }
