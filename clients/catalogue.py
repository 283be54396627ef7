"""This module is the clients that are run against the daemon: where each comes from and how it is started.

The simulator chooses what to answer by the model id: ``sim/text`` talks, ``sim/tool`` calls the first tool on offer and
``sim/call-<tool>`` the one of that name. It says ``sample`` wherever a tool wants a string, so that an agent which is told to read a
file reads ``sample``. ``sim/script`` makes the calls that its user writes down.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

TURNS = Path(__file__).parent / "turns"
GREETING = "Hello from the simulator!"
SAMPLE = "forty-two green elephants"
"""What the file ``sample`` in an agent's working directory says."""

_TIME = "half past two in sample"  # what the tool of the SDKs' turns says


@dataclass(frozen=True)
class Place:
    """Where a client is run.

    Attributes:
        cache: Where the clients are installed: ``npm`` and a virtual environment for each Python client.
        home: An empty directory, which is HOME.
        url: The daemon.
        key: What the daemon takes for a key.
    """

    cache: Path
    home: Path
    url: str
    key: str


@dataclass(frozen=True)
class Command:
    """What is run.

    Attributes:
        arguments: The program and its arguments.
        environment: All that it finds in its environment besides PATH, HOME and TERM.
        files: Text files to write before, by their path below HOME.
        leaves: What text files of the working directory have to say afterwards, by their name.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    leaves: Mapping[str, str] = field(default_factory=dict)


Turn = Callable[[Place], Command]


@dataclass(frozen=True)
class Other:
    """One more turn of a client, by its name, and what it has to print."""

    name: str
    turn: Turn
    proof: str


@dataclass(frozen=True)
class Client:
    """A client.

    Attributes:
        name: What the table calls it.
        source: ``npm``, or the virtual environment that it is installed into.
        packages: What is installed; the first one's version is shown.
        text: A turn of text, which has to print the simulator's greeting.
        tool: A turn in which the client runs a tool and sends its result back; None where it has no tools.
        proof: What that turn has to print: the tool's words, quoted by the model.
        remark: What the table says besides.
        others: More turns.
    """

    name: str
    source: str
    packages: tuple[str, ...]
    text: Turn
    tool: Turn | None
    proof: str
    remark: str = ""
    others: tuple[Other, ...] = ()


def _node(script: str, dialect: str, turn: str) -> Turn:
    # Modules are looked up from where the script lies, which is why the runner copies it next to node_modules.
    return lambda at: Command(("node", str(at.cache / "npm" / script), dialect, turn, at.url, at.key))


def _langchain(dialect: str, turn: str) -> Turn:
    return lambda at: Command(
        (str(at.cache / "langchain/bin/python"), str(TURNS / "langchain.py"), dialect, turn, at.url, at.key)
    )


def _python(environment: str, script: str, turn: str) -> Turn:
    return lambda at: Command((str(at.cache / environment / "bin/python"), str(TURNS / script), turn, at.url, at.key))


def _claude_code(model: str) -> Turn:
    return lambda at: Command(
        (str(at.cache / "npm/node_modules/.bin/claude"), "--model", model, "-p", "Read the file sample."),
        {"ANTHROPIC_BASE_URL": at.url, "ANTHROPIC_AUTH_TOKEN": at.key},
    )


def _opencode(provider: str, model: str) -> Turn:
    def command(at: Place) -> Command:
        settings = {
            "$schema": "https://opencode.ai/config.json",
            "model": f"ccproxy/{model}",
            "provider": {
                "ccproxy": {
                    "npm": provider,
                    "name": "ccproxy",
                    "options": {"baseURL": f"{at.url}/v1", "apiKey": at.key},
                    "models": {model: {"name": model, "limit": {"context": 1000000, "output": 64000}}},
                }
            },
        }
        return Command(
            (str(at.cache / "npm/node_modules/.bin/opencode"), "run", "Read the file sample."),
            files={".config/opencode/opencode.json": json.dumps(settings)},
        )

    return command


_SHELL = 'call exec_command {"cmd": "cat sample"}'
_PATCH = """Please:
call apply_patch
```
*** Begin Patch
*** Update File: sample
@@
-forty-two green elephants
+forty-three green elephants
*** End Patch
```
"""


def _codex(model: str, prompt: str, *, socket: bool = False, **leaves: str) -> Turn:
    """One run of ``codex exec``, with the list of models that the daemon gives for it: its ``apply_patch`` depends on that."""

    def command(at: Place) -> Command:
        asked = Request(f"{at.url}/v1/models?client_version=0.169.0", headers={"authorization": f"Bearer {at.key}"})  # noqa: S310 - the daemon
        with urlopen(asked, timeout=10) as answer:  # noqa: S310 - the daemon
            catalogue = answer.read().decode()
        settings = {
            "model": model,
            "model_provider": "ccproxy",
            "model_catalog_json": str(at.home / ".codex/models.json"),
        }
        provider = {
            "name": "ccproxy",
            "base_url": f"{at.url}/v1",
            "env_key": "CCPROXY_KEY",
            "wire_api": "responses",
        }
        # What JSON writes of a string, TOML reads.
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        lines += ["[model_providers.ccproxy]", *(f"{name} = {json.dumps(value)}" for name, value in provider.items())]
        lines += ["request_max_retries = 0", "stream_max_retries = 0", f"supports_websockets = {json.dumps(socket)}"]
        return Command(
            (
                str(at.cache / "npm/node_modules/.bin/codex"),
                "exec",
                "--skip-git-repo-check",
                "--color=never",
                "--dangerously-bypass-approvals-and-sandbox",
                prompt,
            ),
            {"CCPROXY_KEY": at.key},
            {".codex/config.toml": "\n".join(lines), ".codex/models.json": catalogue},
            leaves,
        )

    return command


_AIDER_OPTIONS = (
    "--no-git",
    "--no-check-update",
    "--no-show-release-notes",
    "--no-show-model-warnings",
    "--no-detect-urls",
    "--no-pretty",
    "--analytics-disable",
    "--dry-run",
    "--yes-always",
)


def _aider(model: str, environment: Callable[[Place], Mapping[str, str]]) -> Turn:
    return lambda at: Command(
        (str(at.cache / "aider/bin/aider"), "--model", model, "--message", "hello", *_AIDER_OPTIONS),
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True", **environment(at)},
    )


def _llm(*arguments: str) -> Turn:
    def command(at: Place) -> Command:
        models = [
            {"model_id": turn, "model_name": f"sim/{turn}", "api_base": f"{at.url}/v1", "api_key_name": "ccproxy"}
            for turn in ("text", "tool")
        ]
        # The file is YAML, of which JSON is a part.
        listed = json.dumps([{**model, "supports_tools": True} for model in models])
        return Command(
            (str(at.cache / "llm/bin/llm"), *arguments, "hello"),
            {"LLM_USER_PATH": str(at.home / "llm")},
            {"llm/extra-openai-models.yaml": listed, "llm/keys.json": json.dumps({"ccproxy": at.key})},
        )

    return command


def _scripted(
    name: str,
    package: str,
    dialect: str,
    turn: Callable[[str, str], Turn],
    source: str,
    *more: str,
    **others: str,
) -> Client:
    rest = tuple(Other(each, turn(dialect, each), proof) for each, proof in others.items())
    return Client(name, source, (package, *more), turn(dialect, "text"), turn(dialect, "tool"), _TIME, "", rest)


def _sdk(dialect: str, turn: str) -> Turn:
    return _node("sdks.mjs", dialect, turn)


def _ai(dialect: str, turn: str) -> Turn:
    return _node("ai.mjs", dialect, turn)


def _openai(dialect: str, turn: str) -> Turn:
    return _python("openai", f"{dialect}.py", turn)


def _agents(dialect: str, turn: str) -> Turn:
    return _python("agents", "openai_agents.py", turn)


_CITY = "city='sample', people=1"
_PICTURE = "images: image/png 70 bytes"
_THOUGHT = "thoughts: 1"


CLIENTS = (
    _scripted("LangChain ChatOpenAI", "langchain-openai", "openai", _langchain, "langchain"),
    _scripted("LangChain ChatAnthropic", "langchain-anthropic", "anthropic", _langchain, "langchain"),
    _scripted("LangChain ChatOpenAI, Responses", "langchain-openai", "responses", _langchain, "langchain"),
    _scripted("openai (npm)", "openai", "openai", _sdk, "npm"),
    _scripted("@anthropic-ai/sdk (npm)", "@anthropic-ai/sdk", "anthropic", _sdk, "npm"),
    _scripted("AI SDK, openai-compatible", "@ai-sdk/openai-compatible", "openai", _ai, "npm", "ai"),
    _scripted("AI SDK, anthropic", "@ai-sdk/anthropic", "anthropic", _ai, "npm", "ai"),
    _scripted(
        "openai, Responses",
        "openai",
        "responses",
        _openai,
        "openai",
        continued=f"{_TIME} | message message function_call function_call_output",
        parsed=_CITY,
        image=_PICTURE,
        reasoning=_THOUGHT,
        background=f"completed | {GREETING}",
    ),
    _scripted("openai (npm), Responses", "openai", "responses", _sdk, "npm"),
    _scripted(
        "AI SDK, openai",
        "@ai-sdk/openai",
        "responses",
        _ai,
        "npm",
        "ai",
        parsed="the city is sample",
        image=_PICTURE,
        reasoning=_THOUGHT,
    ),
    _scripted(
        "OpenAI Agents SDK",
        "openai-agents",
        "responses",
        _agents,
        "agents",
        parsed=_CITY,
        streamed=f"{_TIME} | reasoning_item tool_call_item tool_call_output_item reasoning_item message_output_item",
        socket=_TIME,
    ),
    Client(
        "Codex",
        "npm",
        ("@openai/codex",),
        _codex("sim/text", "hello"),
        _codex("sim/script", _SHELL),
        SAMPLE,
        "tool: exec_command",
        (
            Other("patch", _codex("sim/script", _PATCH, sample=SAMPLE.replace("two", "three")), "apply_patch"),
            Other("socket", _codex("sim/script", _SHELL, socket=True), SAMPLE),
        ),
    ),
    Client(
        "Claude Code",
        "npm",
        ("@anthropic-ai/claude-code",),
        _claude_code("sim/text"),
        _claude_code("sim/call-Read"),
        SAMPLE,
        "tool: Read",
    ),
    Client(
        "OpenCode, openai-compatible",
        "npm",
        ("opencode-ai",),
        _opencode("@ai-sdk/openai-compatible", "sim/text"),
        _opencode("@ai-sdk/openai-compatible", "sim/call-read"),
        SAMPLE,
        "tool: read",
    ),
    Client(
        "OpenCode, anthropic",
        "npm",
        ("opencode-ai",),
        _opencode("@ai-sdk/anthropic", "sim/text"),
        _opencode("@ai-sdk/anthropic", "sim/call-read"),
        SAMPLE,
        "tool: read",
    ),
    Client(
        "OpenCode, openai",
        "npm",
        ("opencode-ai",),
        _opencode("@ai-sdk/openai", "sim/text"),
        _opencode("@ai-sdk/openai", "sim/call-read"),
        SAMPLE,
        "tool: read",
    ),
    Client(
        "aider, openai",
        "aider",
        ("aider-chat",),
        _aider("openai/sim/text", lambda at: {"OPENAI_API_BASE": f"{at.url}/v1", "OPENAI_API_KEY": at.key}),
        None,
        "",
        "edits are text",
    ),
    Client(
        "aider, anthropic",
        "aider",
        ("aider-chat",),
        _aider("anthropic/sim/text", lambda at: {"ANTHROPIC_API_BASE": at.url, "ANTHROPIC_API_KEY": at.key}),
        None,
        "",
        "edits are text",
    ),
    Client(
        "llm",
        "llm",
        ("llm",),
        _llm("-m", "text"),
        _llm("-m", "tool", "-T", "llm_version"),
        "The tool llm_version says:",
        "tool: llm_version",
    ),
)
