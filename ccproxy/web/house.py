"""This module is what every exchange needs of the running daemon."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from ccproxy.codecs import Dialect, Upstream
from ccproxy.config import Config
from ccproxy.estimate import Corrections
from ccproxy.net.client import UpstreamClient
from ccproxy.upkeep.catalog import Catalog
from ccproxy.upkeep.release import Release
from ccproxy.upkeep.sessions import Sessions
from ccproxy.web.admission import Admission
from ccproxy.web.background import Background, Live
from ccproxy.web.keeping import Keeping
from ccproxy.web.offload import Offload, at_once


@define
class House:
    """What every exchange needs; ``config`` and ``upstream`` are replaced when the configuration is read anew.

    Attributes:
        config: The settings.
        upstream: The codec towards the upstream.
        client: The connection towards the upstream.
        sessions: The live sessions.
        release: The client version to report.
        catalog: The model list.
        admission: Who may come in.
        keeping: The answers that are kept.
        background: The answers that are being made without anybody waiting.
        live: The exchanges that are under way.
        clock: Where the time comes from; its seconds are Unix time.
        token: Makes random hex text of so many bytes.
        random: Makes a random number from 0 to 1.
        corrections: What was learned of the upstream's token counts.
        dialects: The languages that clients may speak; a body may be written in any of them, whatever its path.
        offload: Where large requests are read.
    """

    config: Config
    upstream: Upstream
    client: UpstreamClient
    sessions: Sessions
    release: Release
    catalog: Catalog
    admission: Admission
    keeping: Keeping
    background: Background
    live: set[Live]
    clock: IReactorTime
    token: Callable[[int], str]
    random: Callable[[], float]
    dialects: Sequence[Dialect]
    corrections: Corrections = field(factory=Corrections)
    offload: Offload = at_once
