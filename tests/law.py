"""This module is the import law of the house, as data, and the reading of source text that it is held against.

A pattern names one module (``ccproxy.events``) or a whole room, the package itself and all below it (``ccproxy.web.*``).
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from attrs import field, frozen

ROOT = Path(__file__).parents[1]
LONGEST = 300
"""Lines that a module may have."""

PURE = (
    *(
        f"ccproxy.{name}"
        for name in (
            "aliases",
            "blocks",
            "codings",
            "doors",
            "keys",
            "openai",
            "patterns",
            "schemas",
            "structured",
            "tools",
        )
    ),
    *(
        f"ccproxy.{name}"
        for name in ("events", "prompt", "errors", "codecs", "dialogue", "framing", "fields", "translator")
    ),
    *(
        f"ccproxy.{name}"
        for name in (
            "estimate",
            "aead",
            "store.base",
            "store.vault",
            "envelopes",
            "seal",
            "config",
            "loading",
            "shapes",
            "shares",
            "dialects.*",
            "stages.*",
            "upstreams.*",
        )
    ),
)
"""What imports neither a framework nor a room that does, and is told the time and the chance."""

FRAMEWORKS = ("twisted.*", "treq.*", "klein.*", "zope.*")
WORLD = tuple(
    f"{name}.*" for name in ("time", "random", "secrets", "uuid", "logging", "asyncio", "socket", "threading")
)
MOVING = ("ccproxy.net.*", "ccproxy.upkeep.*", "ccproxy.web.*", "ccproxy.simulator.*")
REACTOR = "twisted.internet.reactor"
SERVICE = "ccproxy.service"
REGISTRIES = ("ccproxy.dialects", "ccproxy.upstreams")


@frozen
class Never:
    """No module of ``who`` imports anything of ``what``."""

    who: tuple[str, ...]
    what: tuple[str, ...]


@frozen
class Only:
    """Nobody but ``who`` imports anything of ``what``, and perhaps nobody does so but inside functions."""

    who: tuple[str, ...]
    what: tuple[str, ...]
    in_functions: bool = False


LAW: tuple[Never | Only, ...] = (
    # 1: the pure rooms.
    Never(PURE, (*FRAMEWORKS, *MOVING, *WORLD, SERVICE, "ccproxy.logs", "ccproxy.startup")),
    # 2: dialects and upstreams do not know each other, and only the service knows that there are several.
    Never(("ccproxy.dialects.*",), ("ccproxy.upstreams.*",)),
    Never(("ccproxy.upstreams.*",), ("ccproxy.dialects.*",)),
    Only((SERVICE,), REGISTRIES),
    # 3: bytes in motion know nothing of any language, and routes know them through the seams.
    Never(("ccproxy.net.*",), ("ccproxy.dialects.*", "ccproxy.upstreams.*", "ccproxy.web.*")),
    Never(("ccproxy.web.*",), ("ccproxy.dialects.*", "ccproxy.upstreams.*")),
    # A store knows neither languages nor routes nor the way to the upstream.
    Never(
        ("ccproxy.store.*",),
        ("ccproxy.dialects.*", "ccproxy.upstreams.*", *MOVING),
    ),
    # 4: who knows a framework.
    Only(("ccproxy.web.*", "ccproxy.simulator.*"), ("klein.*",)),
    Only(("ccproxy.net.*",), ("treq.*",)),
    Only(("ccproxy.store.redis",), ("txredisapi.*",), in_functions=True),  # it imports the reactor
    Only(("ccproxy.web.websocket",), ("autobahn.*", "txaio.*")),
    Only(("ccproxy.web.upgrade",), ("ccproxy.web.websocket",), in_functions=True),  # Autobahn is an extra
    Only(("ccproxy.structured",), ("ccproxy.schemas",), in_functions=True),  # 2 MB
    Only(("ccproxy.schemas",), ("jsonschema.*", "referencing.*")),
    Only((SERVICE, "ccproxy.simulator.service", "ccproxy.workers"), (REACTOR,), in_functions=True),
    # 5: the wiring is at the top; the plugin names it in strings, so that twistd lists it without loading it.
    Only(("ccproxy.__main__",), (SERVICE,)),
    Never(("twisted.plugins.ccproxy_plugin",), ("ccproxy.*",)),
)
"""What holds between all modules; what holds below each registry is in `registry_law`."""


@frozen
class Import:
    """One module that another one imports, in a function or when it is loaded itself."""

    name: str
    in_function: bool = False


@frozen
class Source:
    """One module's text; ``is_package`` says that it is an ``__init__.py``."""

    text: str = field(repr=False)
    is_package: bool = False


def house() -> Mapping[str, Source]:
    """Every module of the project but the tests, by its dotted name."""
    files = [*sorted((ROOT / "ccproxy").rglob("*.py")), *sorted((ROOT / "twisted").rglob("*.py"))]
    return {_name(file): Source(file.read_text("utf-8"), file.name == "__init__.py") for file in files}


def imports(module: str, source: Source, known: Collection[str]) -> set[Import]:
    """What a module imports, wherever in its text; ``known`` are the modules of the house."""
    tree = ast.parse(source.text)
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    within = {inner for function in functions for inner in ast.walk(function)}
    package = module if source.is_package else module.rpartition(".")[0]
    return {Import(name, node in within) for node in ast.walk(tree) for name in _names(node, package, known)}


def registry_law(modules: Collection[str]) -> Iterator[Only]:
    """Law 2 for what lives below a registry: only the registry and the package itself import of it."""
    for registry in REGISTRIES:
        below = {module.split(".")[2] for module in modules if module.startswith(f"{registry}.")}
        for name in sorted(below):
            yield Only((registry, f"{registry}.{name}.*"), (f"{registry}.{name}.*",))


def offences(module: str, source: Source, known: Collection[str]) -> list[str]:
    """The imports of one module that break the law; ``known`` are the modules of the house."""
    law = (*LAW, *registry_law(known))
    imported = imports(module, source, known)
    return sorted({item.name for item in imported if any(breaks(rule, module, item) for rule in law)})


def breaks(rule: Never | Only, module: str, item: Import) -> bool:
    """Whether one import of one module breaks one rule."""
    if not _covered(item.name, rule.what):
        return False
    if isinstance(rule, Never):
        return _covered(module, rule.who)
    return not _covered(module, rule.who) or (rule.in_functions and not item.in_function)


def is_pure(module: str) -> bool:
    """Whether a module lives in a pure room."""
    return _covered(module, PURE)


def talkative(modules: Mapping[str, Source]) -> list[str]:
    """Packages whose ``__init__.py`` holds more than its docstring, the two registries and the version left out."""
    return [
        module
        for module, source in modules.items()
        if source.is_package and module not in REGISTRIES and not _silent(ast.parse(source.text), module == "ccproxy")
    ]


def lengthy(modules: Mapping[str, Source]) -> list[str]:
    """Modules with more lines than a module may have."""
    return [module for module, source in modules.items() if len(source.text.splitlines()) > LONGEST]


def _name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _covered(name: str, patterns: Collection[str]) -> bool:
    return any(
        name == pattern.removesuffix(".*") or (pattern.endswith(".*") and name.startswith(pattern[:-1]))
        for pattern in patterns
    )


def _names(node: ast.AST, package: str, known: Collection[str]) -> Iterator[str]:
    """The modules that a statement imports: of ``from a import b``, a.b when that is a module of ours or nobody's we know."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        ours = origin in known
        for alias in node.names:
            name = f"{origin}.{alias.name}"
            yield origin if ours and name not in known else name


def _silent(tree: ast.Module, versioned: bool) -> bool:
    statements = [ast.unparse(node).partition(" = ")[0] for node in tree.body if node is not _docstring(tree)]
    return _docstring(tree) is not None and statements == (["__version__"] if versioned else [])


def _docstring(tree: ast.Module) -> ast.stmt | None:
    return tree.body[0] if ast.get_docstring(tree) is not None else None
