"""This module is the command line of ``twistd ccproxy``."""

from __future__ import annotations

import sys
from typing import ClassVar

from twisted.python import usage

from ccproxy import __version__
from ccproxy.config import settings

_OFFERED = ("port", "host", "workers", "api_base", "log_level", "log_format")


class Options(usage.Options):
    """The command line of ``twistd ccproxy``: what is asked most often; every other setting lives in the file or the environment."""

    synopsis = "[options]"
    longdesc = (
        "Serves OpenAI and Anthropic clients from Command Code. Every setting can stand in config.json (--config) or in the environment; "
        "options win over the environment, which wins over the file."
    )
    optFlags: ClassVar[list[list[str | None]]] = [
        [
            "simulator",
            None,
            "Answer from an embedded simulator instead of the upstream, on a loopback port of its own.",
        ],
    ]
    optParameters: ClassVar[list[list[str | None]]] = [
        ["config", "c", None, "The configuration file; config.json in the working directory is read if there is one."],
        *(
            [
                setting.option.removeprefix("--"),
                None,
                None,
                f"{setting.help}: {setting.shape.expected} [default: {setting.default}]",
            ]
            for setting in settings()
            if setting.attribute in _OFFERED
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []

    def opt_listen(self, endpoint: str) -> None:
        """A Twisted endpoint to listen on, such as unix:/run/ccproxy.sock; may be repeated, and replaces --host and --port."""
        self["listen"].append(endpoint)

    def opt_version(self) -> None:
        """Show the version and exit."""
        sys.stdout.write(f"ccproxy {__version__}\n")
        sys.exit(0)

    def settings(self) -> dict[str, object]:
        """What was given, by the attribute of the setting."""
        given: dict[str, object] = {name: self[name.replace("_", "-")] for name in _OFFERED}
        given["listen"] = tuple(self["listen"]) or None
        given["simulator"] = True if self["simulator"] else None
        return given
