"""This module is the configuration: one frozen value.

Each setting is declared once, as an attribute of `Config`. From that declaration come its key in the file (the
attribute's name in camelCase), its environment variable (``CCPROXY_`` and the name in capitals; an empty variable
counts as unset), its option (``--`` and the name with hyphens), its parser, and its row in the documentation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from attrs import field, fields, frozen

from ccproxy.shapes import (
    ALIASES,
    BASE_URL,
    BYTES,
    CLIENT,
    COUNT,
    ENDPOINTS,
    FLAG,
    FORMAT,
    HEADER,
    HOST,
    LEVEL,
    MILLISECONDS,
    PORT,
    REASONING_STYLE,
    SECONDS,
    STORE_URL,
    TEXT,
    URL,
    WORKERS,
    Shape,
)

_T = TypeVar("_T")

PREFIX = "CCPROXY_"
"""How the environment variables of all settings begin."""


def _setting(default: _T, shape: Shape, help_text: str, *short_names: str, restart: bool = False) -> _T:
    """Declare a setting; ``short_names`` are further environment variables, weaker than the prefixed one."""
    metadata = {"shape": shape, "help": help_text, "short_names": short_names, "restart": restart}
    return field(default=default, metadata=metadata, repr=not shape.secret)


@frozen(kw_only=True)
class Config:
    """All settings; a limit of time, size or number that is 0 is off."""

    port: int = _setting(3000, PORT, "port to listen on", "PORT", restart=True)
    host: str = _setting("0.0.0.0", HOST, "address to listen on", "HOST", restart=True)  # noqa: S104 - a server for a whole network
    listen: tuple[str, ...] = _setting(
        (),
        ENDPOINTS,
        "Twisted endpoints to listen on, in place of host and port; a list, in the environment separated by spaces",
        restart=True,
    )
    workers: int = _setting(
        1, WORKERS, "processes that serve, each with its share of the limits on connections and requests", restart=True
    )
    api_base: str = _setting(
        "https://api.commandcode.ai", BASE_URL, "where the upstream is", "CC_API_BASE", restart=True
    )
    upstream_client: str = _setting(
        "httptools",
        CLIENT,
        "what speaks HTTP to the upstream: httptools (parsed by llhttp), twisted (the Agent of twisted.web)",
        restart=True,
    )
    project_slug: str = _setting("cc-proxy", HEADER, "what x-project-slug says", "PROJECT_SLUG")
    user_agent: str = _setting("", HEADER, "what User-Agent says; empty: not sent")
    zero_data_retention: bool = _setting(False, FLAG, "ask the upstream to keep nothing (x-cmd-zdr)")
    cli_version: str = _setting("", HEADER, "client version to report; empty: the one that versionUrl publishes")
    version_url: str = _setting(
        "https://cdn.jsdelivr.net/npm/command-code/package.json",
        URL,
        "a JSON document with the current version",
        restart=True,
    )
    version_refresh_interval: float = _setting(86400.0, SECONDS, "how often versionUrl is read", restart=True)
    use_provider_models: bool = _setting(
        True, FLAG, "fetch the model list; false: the built-in one", "CC_USE_PROVIDER_MODELS", restart=True
    )
    model_refresh_interval_ms: int = _setting(
        300_000, MILLISECONDS, "how often the model list is fetched", restart=True
    )
    refresh_timeout: float = _setting(10.0, SECONDS, "longest time for one such refresh")
    model_aliases: tuple[tuple[str, str], ...] = _setting(
        (), ALIASES, "a JSON object: which model serves a name or a pattern such as claude-haiku-*"
    )
    reasoning_style: str = _setting(
        "field",
        REASONING_STYLE,
        "how chat answers show reasoning: field (reasoning_content), tags (think tags in the text), both, off",
    )
    split_think_tags: bool = _setting(False, FLAG, "take think tags in a text for reasoning")
    structured_repair: bool = _setting(True, FLAG, "ask once more for an answer that does not fit its JSON schema")
    strict: bool = _setting(False, FLAG, "refuse unknown request fields instead of ignoring them")
    simulator: bool = _setting(False, FLAG, "answer from the built-in simulator instead of the upstream", restart=True)

    store_url: str = _setting(
        "",
        STORE_URL,
        "where responses are kept: empty for this process's memory, or redis://[:password@]host[:port][/database] (rediss for TLS)",
        restart=True,
    )
    store_bytes: int = _setting(67_108_864, BYTES, "memory for kept responses of each process", restart=True)
    store_seconds: float = _setting(
        3600.0, SECONDS, "how long a response is kept after it was last asked for; 0: none is", restart=True
    )

    log_file: str = _setting("", TEXT, "file to log to besides the console; empty: console only", "LOG_FILE")
    log_level: str = _setting("info", LEVEL, "least level that is logged")
    log_format: str = _setting("text", FORMAT, "form of a log line")

    connect_timeout: float = _setting(10.0, SECONDS, "longest time for one TCP connection to the upstream to be made")
    silence_timeout: float = _setting(900.0, SECONDS, "longest upstream silence while no text flows")
    stream_idle_timeout: float = _setting(
        30.0, SECONDS, "longest upstream silence within a text, streaming, without tools"
    )
    document_idle_timeout: float = _setting(
        90.0, SECONDS, "longest upstream silence within a text, not streaming, without tools"
    )
    client_stall_timeout: float = _setting(300.0, SECONDS, "longest time that a client may not read its answer")
    client_header_timeout: float = _setting(15.0, SECONDS, "longest time for a client to send its headers")
    client_idle_timeout: float = _setting(75.0, SECONDS, "longest time that a connection stays open between requests")
    client_body_timeout: float = _setting(30.0, SECONDS, "time in which a request body must bring at least 1 KiB")
    ping_interval: float = _setting(10.0, SECONDS, "how often a waiting client is sent a sign of life")
    header_delay: float = _setting(15.0, SECONDS, "latest time at which a stream's headers go out")
    drain_timeout: float = _setting(1.0, SECONDS, "longest wait for the upstream to end after its answer")
    shutdown_grace: float = _setting(25.0, SECONDS, "time in which running answers may end at shutdown")

    max_body_bytes: int = _setting(33_554_432, BYTES, "largest request body, on the wire and decompressed")
    max_header_bytes: int = _setting(16_384, BYTES, "largest request header, first line included")
    max_headers: int = _setting(500, COUNT, "most fields of a request header")
    max_document_bytes: int = _setting(33_554_432, BYTES, "largest answer that is not streamed")
    max_line_bytes: int = _setting(16_777_216, BYTES, "longest line that is taken from the upstream")
    max_connections: int = _setting(10_000, COUNT, "most client connections at once")
    max_exchanges: int = _setting(5_000, COUNT, "most requests in progress at once")
    max_exchanges_per_key: int = _setting(0, COUNT, "most requests in progress at once for one key; more are refused")
    key_concurrency: int = _setting(0, COUNT, "most requests that run at once for one key; more wait")


@frozen
class Setting:
    """One setting, as the parsers use it and the documentation shows it.

    Its first environment variable wins. A change of one with ``restart`` has no effect on a daemon that runs.
    """

    key: str
    attribute: str
    environment: tuple[str, ...]
    default: object
    shape: Shape
    help: str
    restart: bool

    @property
    def unit(self) -> str:
        """What the number counts: ``s``, ``ms``, ``bytes``, or nothing to speak of."""
        return self.shape.unit

    @property
    def option(self) -> str:
        """The setting's name on a command line."""
        return "--" + self.attribute.replace("_", "-")


@cache
def settings() -> Sequence[Setting]:
    """Every setting, in the order in which `Config` declares them."""
    return tuple(
        Setting(
            key=re.sub("_(.)", lambda match: match[1].upper(), attribute.name),
            attribute=attribute.name,
            environment=(PREFIX + attribute.name.upper(), *attribute.metadata["short_names"]),
            default=attribute.default,
            shape=attribute.metadata["shape"],
            help=attribute.metadata["help"],
            restart=attribute.metadata["restart"],
        )
        for attribute in fields(Config)
    )
