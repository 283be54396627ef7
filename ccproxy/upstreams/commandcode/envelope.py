"""This module is the request as it travels: the envelope around the ``params``, and the headers.

The envelope is the one that the command line client sends (version 1.38.2, seen live 2026-08-30). What it says of its surroundings is
neutral: nothing of the user's machine is in it. ``threadId`` has to be a UUID and equals ``x-session-id``.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from attrs import Attribute, field, frozen

from ccproxy.codecs import HTTPRequest, Identity
from ccproxy.errors import Kind, ProxyError
from ccproxy.framing import dumps
from ccproxy.prompt import Prompt
from ccproxy.upstreams.commandcode.params import params

Headers: TypeAlias = "tuple[tuple[str, str], ...]"

_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def _check_value(instance: object, attribute: Attribute[str], value: str) -> None:
    if value:
        _header(attribute.name, value)


def _without_slash(url: str) -> str:
    return url.rstrip("/")


@frozen
class Envelope:
    """What all requests to one upstream have in common.

    Attributes:
        api_base: The URL before ``/alpha`` and ``/provider``.
        project_slug: The value of ``x-project-slug``.
        environment: The name of the platform, such as ``linux``.
        user_agent: The value of ``User-Agent``; empty for none.
        zero_data_retention: Every request asks for routing without retention.
    """

    api_base: str = field(converter=_without_slash)
    project_slug: str = field(validator=_check_value)
    environment: str
    user_agent: str = field(default="", validator=_check_value)
    zero_data_retention: bool = False

    def generate(self, prompt: Prompt, identity: Identity) -> HTTPRequest:
        """The request of one turn; its notes are those that the prompt does not have yet.

        Raises:
            ProxyError: `Kind.INVALID_REQUEST`, for what cannot be said.
        """
        said, notes = params(prompt)
        body = {
            "config": self._config(identity.date),
            "memory": None,
            "taste": None,
            "skills": None,
            "permissionMode": "standard",
            "threadId": identity.session,
            "params": said,
        }
        return HTTPRequest("POST", f"{self.api_base}/alpha/generate", self._headers(identity), _written(body), notes)

    def models(self) -> HTTPRequest:
        """The request for the list of models, which is public."""
        return HTTPRequest(
            "GET", f"{self.api_base}/provider/v1/models", (("Accept-Encoding", "identity"), *self._signature())
        )

    def _config(self, date: str) -> dict[str, object]:
        return {
            "workingDir": "/workspace",
            "date": date,
            "environment": self.environment,
            "structure": [],
            "isGitRepo": False,
            "currentBranch": "",
            "mainBranch": "",
            "gitStatus": "",
            "recentCommits": [],
        }

    def _headers(self, identity: Identity) -> Headers:
        headers = [
            _header("Authorization", f"Bearer {identity.key.reveal()}"),
            ("Content-Type", "application/json"),
            ("Accept-Encoding", "identity"),
            _header("x-command-code-version", identity.version),
            ("x-cli-environment", "production"),
            ("x-project-slug", self.project_slug),
            _header("x-session-id", identity.session),
            ("x-taste-learning", "false"),
            _header("traceparent", f"00-{identity.trace_id}-{identity.span_id}-01"),
        ]
        if self.zero_data_retention or identity.zero_data_retention:
            headers.append(("x-cmd-zdr", "1"))
        return (*headers, *self._signature())

    def _signature(self) -> Headers:
        return (("User-Agent", self.user_agent),) if self.user_agent else ()


def _header(name: str, value: str) -> tuple[str, str]:
    """A header whose value cannot smuggle another one in; the value is not named, as it may be a key."""
    if not _VALUE.fullmatch(value):
        raise ValueError(f"{name} has to be printable ASCII without spaces around it")
    return name, value


def _written(body: object) -> bytes:
    try:
        return dumps(body)
    except RecursionError:
        raise ProxyError(Kind.INVALID_REQUEST, "The request is nested too deeply.") from None
