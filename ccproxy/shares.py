"""This module is the limits of one daemon, divided among its processes.

What is counted is counted in each process by itself, so that each gets its share of the limit, rounded up: none is left without.
The memory for responses is each process's own, and is not divided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from ccproxy.config import Config, settings

_DIVIDED = ("max_connections", "max_exchanges", "max_exchanges_per_key", "key_concurrency")
_MUCH = 1.1  # how many times its limit a sum has to be before it is worth a warning
_FEW = 4  # so small a share is often full in one worker while others have room


def share(config: Config, workers: int) -> Config:
    """The settings of one worker among so many; a limit that is off stays off."""
    shares: dict[str, Any] = {name: _share(getattr(config, name), workers) for name in _DIVIDED}
    return evolve(config, **shares)


def excesses(config: Config) -> Iterator[str]:
    """A warning for each limit that is another one when it is counted in each worker by itself."""
    workers = config.workers or 1
    for setting in settings():
        if setting.attribute in _DIVIDED:
            limit = getattr(config, setting.attribute)
            each = _share(limit, workers)
            if workers > 1 and limit and (workers * each > _MUCH * limit or each < _FEW):
                yield (
                    f"{setting.key} is {limit}, but each of {workers} workers counts by itself: it refuses beyond its share of {each}, "
                    f"also while others have room, and together they let through up to {workers * each}"
                )


def separations(config: Config) -> Iterator[str]:
    """A warning for what each worker keeps for itself though the others would need it."""
    if config.workers > 1 and config.store_seconds and config.store_url in ("", "memory:"):
        yield (
            f"each of {config.workers} workers keeps its responses for itself: previous_response_id is known to one of them only, unless "
            "storeUrl names a Redis"
        )


def _share(limit: int, workers: int) -> int:
    return -(-limit // workers)
