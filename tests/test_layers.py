"""Tests of the import law: who in the house may know whom."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from configparser import ConfigParser

from twisted.trial.unittest import SynchronousTestCase

from tests.law import (
    LAW,
    ROOT,
    Import,
    Never,
    Only,
    Source,
    breaks,
    house,
    imports,
    is_pure,
    lengthy,
    offences,
    talkative,
)

CHAT = "ccproxy.dialects.openai_chat.dialect"
USAGE = "ccproxy.upstreams.commandcode.usage"
REACTOR = "twisted.internet.reactor"
OFFENCES = (
    ("ccproxy.events", "import twisted", "twisted"),
    ("ccproxy.framing", "def f():\n    from twisted.web.http import Request", "twisted.web.http.Request"),
    ("ccproxy.translator", "from ccproxy.net.relay import Relay", "ccproxy.net.relay"),
    ("ccproxy.config", "import time", "time"),
    ("ccproxy.dialects.new_api.request", "from random import random", "random.random"),
    ("ccproxy.stages.new", "from ccproxy import logs", "ccproxy.logs"),
    ("ccproxy.dialects.new_api.request", "from ccproxy.upstreams.commandcode import usage", USAGE),
    ("ccproxy.upstreams.other.records", f"from {CHAT} import OpenAIChat", CHAT),
    ("ccproxy.dialects.anthropic_messages.request", "from ..openai_chat import dialect", CHAT),
    ("ccproxy.upstreams.other.upstream", "from ccproxy.upstreams.commandcode import usage", USAGE),
    ("ccproxy.service", f"from {CHAT} import OpenAIChat", CHAT),
    ("ccproxy.startup", "from ccproxy.upstreams import UPSTREAMS", "ccproxy.upstreams"),
    ("ccproxy.web.app", "from ccproxy import dialects", "ccproxy.dialects"),
    ("ccproxy.net.relay", f"import {USAGE}", USAGE),
    ("ccproxy.net.relay", "from ccproxy.web import site", "ccproxy.web.site"),
    ("ccproxy.store.memory", "from ccproxy.web import site", "ccproxy.web.site"),
    ("ccproxy.store.redis", "import txredisapi", "txredisapi"),
    ("ccproxy.startup", "from klein import Klein", "klein.Klein"),
    ("ccproxy.web.app", "import treq", "treq"),
    ("ccproxy.web.socket", "import autobahn.websocket", "autobahn.websocket"),
    ("ccproxy.structured", "from ccproxy import schemas", "ccproxy.schemas"),
    ("ccproxy.structured", "import jsonschema", "jsonschema"),
    ("ccproxy.web.upgrade", "from ccproxy.web.websocket import WebSocket", "ccproxy.web.websocket"),
    ("ccproxy.logs", "def f():\n    from twisted.internet import reactor", REACTOR),
    ("ccproxy.service", "from twisted.internet import reactor", REACTOR),
    ("ccproxy.demo", "from ccproxy.service import makeService", "ccproxy.service"),
    ("twisted.plugins.ccproxy_plugin", "import ccproxy.startup", "ccproxy.startup"),
)
"""One breach of every rule: the module, its text, and what it must not import."""
ALLOWED = (
    ("ccproxy.dialects", "from ccproxy.dialects.openai_chat import dialect"),
    ("ccproxy.dialects.openai_chat.request", "from ccproxy.dialects.openai_chat import response"),
    ("ccproxy.upstreams", "from ccproxy.upstreams.commandcode.upstream import CommandCode"),
    ("ccproxy.service", "from ccproxy.dialects import DIALECTS\nfrom ccproxy.web.app import App"),
    ("ccproxy.workers", "def f():\n    from twisted.internet import reactor"),
    ("ccproxy.simulator.app", "import klein"),
    ("ccproxy.__main__", "from ccproxy.service import makeService"),
)
LOADER = """
import importlib, sys
import attrs, msgspec, typing_extensions  # what pure modules stand on, loaded once
for name in sys.argv[1:]:
    importlib.import_module(name)
    roots = {loaded: loaded.partition(".")[0] for loaded in sys.modules}
    print(name, *sorted({"twisted", "treq", "klein"} & set(roots.values())))
    for loaded, root in roots.items():
        if root in ("ccproxy", "twisted", "treq", "klein"):
            del sys.modules[loaded]
"""


def dragged_in(modules: Iterable[str]) -> dict[str, list[str]]:
    """The frameworks that each module brings into an interpreter that knew none; modules that bring none are left out."""
    done = subprocess.run(
        [sys.executable, "-c", LOADER, *modules], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    return {name: frameworks for name, *frameworks in lines if frameworks}


class LawTests(SynchronousTestCase):
    """What holds for the house as it stands."""

    def test_pure_when_loaded(self) -> None:
        """A pure module, loaded by itself, leaves the frameworks out of the interpreter."""
        pure = [module for module in house() if is_pure(module)]

        self.assertEqual(dragged_in(pure), {})
        self.assertGreater(len(pure), 30)

    def test_imports(self) -> None:
        """Nobody imports what the law forbids."""
        modules = house()

        found = {module: offences(module, source, modules) for module, source in modules.items()}

        self.assertEqual({module: names for module, names in found.items() if names}, {})

    def test_packages(self) -> None:
        """A package says what it is and nothing more, unless it is a registry."""
        self.assertEqual(talkative(house()), [])

    def test_wheel(self) -> None:
        """Every package of the house is named for the wheel, which holds no other."""
        settings = ConfigParser()
        settings.read(ROOT / "setup.cfg")
        named = settings["options"]["packages"].split()

        packages = {module for module, source in house().items() if source.is_package}

        self.assertEqual(set(named), {*packages, "twisted.plugins"})

    def test_lengths(self) -> None:
        """A module answers one question, in at most 300 lines."""
        self.assertEqual(lengthy(house()), [])


class LoadingTests(SynchronousTestCase):
    """The loading of modules notices what it is there for."""

    def test_noticed(self) -> None:
        """A module that needs Twisted is found out, and the next one is none the worse for it."""
        self.assertEqual(dragged_in(["ccproxy.logs", "ccproxy.events"]), {"ccproxy.logs": ["twisted"]})


class ReadingTests(SynchronousTestCase):
    """The reading of imports."""

    def found(self, text: str, *, module: str = "ccproxy.web.app", is_package: bool = False) -> set[Import]:
        """The imports of a text that stands in a module of the house."""
        return imports(module, Source(text, is_package), house())

    def test_plain(self) -> None:
        """A module is imported by its name, under an alias, and several at once."""
        self.assertEqual(
            self.found("import json, twisted.web.http as http"), {Import("json"), Import("twisted.web.http")}
        )

    def test_from_module(self) -> None:
        """A name from a module of the house is an import of that module."""
        self.assertEqual(self.found("from ccproxy.dialects import DIALECTS"), {Import("ccproxy.dialects")})

    def test_from_package(self) -> None:
        """A module from a package of the house is an import of the module."""
        self.assertEqual(
            self.found("from ccproxy import errors, framing"), {Import("ccproxy.errors"), Import("ccproxy.framing")}
        )

    def test_from_framework(self) -> None:
        """A name from a framework may be a module, and counts as one."""
        self.assertEqual(self.found("from twisted.internet import reactor"), {Import("twisted.internet.reactor")})

    def test_relative(self) -> None:
        """A relative import names what it reaches, from a module and from a package."""
        self.assertEqual(
            self.found("from . import body\nfrom ..net import relay"),
            {Import("ccproxy.web.body"), Import("ccproxy.net.relay")},
        )
        self.assertEqual(
            self.found("from .site import ProxySite", module="ccproxy.web", is_package=True),
            {Import("ccproxy.web.site")},
        )

    def test_in_function(self) -> None:
        """An import in a function is told from one that loading the module performs, even under a condition."""
        text = "async def f():\n    if f:\n        import json\nclass C:\n    import ast\nif C:\n    import sys"

        self.assertEqual(self.found(text), {Import("json", in_function=True), Import("ast"), Import("sys")})


class RuleTests(SynchronousTestCase):
    """The two kinds of rules."""

    def test_never(self) -> None:
        """What a room never imports, no module of it imports, and others may."""
        rule = Never(("ccproxy.web.*", "ccproxy.logs"), ("klein.*", "treq"))

        self.assertTrue(breaks(rule, "ccproxy.web", Import("klein")))
        self.assertTrue(breaks(rule, "ccproxy.web.app", Import("klein.resource")))
        self.assertTrue(breaks(rule, "ccproxy.logs", Import("treq")))
        self.assertFalse(breaks(rule, "ccproxy.website", Import("klein")))
        self.assertFalse(breaks(rule, "ccproxy.logs.more", Import("klein")))
        self.assertFalse(breaks(rule, "ccproxy.web.app", Import("treq.client")))

    def test_only(self) -> None:
        """What only one module imports, no other module imports."""
        rule = Only(("ccproxy.service",), ("ccproxy.dialects",))

        self.assertFalse(breaks(rule, "ccproxy.service", Import("ccproxy.dialects")))
        self.assertFalse(breaks(rule, "ccproxy.web.app", Import("ccproxy.codecs")))
        self.assertTrue(breaks(rule, "ccproxy.web.app", Import("ccproxy.dialects")))

    def test_in_functions(self) -> None:
        """What is imported in functions only, is not imported with the module."""
        rule = Only(("ccproxy.service",), ("twisted.internet.reactor",), in_functions=True)

        self.assertFalse(breaks(rule, "ccproxy.service", Import("twisted.internet.reactor", in_function=True)))
        self.assertTrue(breaks(rule, "ccproxy.service", Import("twisted.internet.reactor")))
        self.assertTrue(breaks(rule, "ccproxy.logs", Import("twisted.internet.reactor", in_function=True)))


class OffenceTests(SynchronousTestCase):
    """Each rule of the law can be broken, and is then found broken."""

    def test_each(self) -> None:
        """An import that the law forbids is an offence."""
        known = house()

        for module, text, imported in OFFENCES:
            self.assertEqual(offences(module, Source(text), known), [imported], f"{module}: {text}")

    def test_allowed(self) -> None:
        """What the law allows is no offence."""
        known = house()

        for module, text in ALLOWED:
            self.assertEqual(offences(module, Source(text), known), [], f"{module}: {text}")

    def test_every_rule(self) -> None:
        """No rule is without a breach."""
        known = house()

        imported = [(module, item) for module, text, _ in OFFENCES for item in imports(module, Source(text), known)]

        self.assertEqual([rule for rule in LAW if not any(breaks(rule, *one) for one in imported)], [])

    def test_package(self) -> None:
        """Code in a package that is no registry is found, and so are a missing docstring and a stray name beside the version."""
        packages = {
            "ccproxy": Source('"""Doc."""\n__version__ = "1"', is_package=True),
            "ccproxy.dialects": Source('"""Doc."""\nfrom x import y', is_package=True),
            "ccproxy.net": Source('"""Doc."""', is_package=True),
            "ccproxy.module": Source("x = 1"),
        }
        wrong = {
            "ccproxy.web": Source('"""Doc."""\nfrom x import y', is_package=True),
            "ccproxy.stages": Source("", is_package=True),
            "ccproxy.upkeep": Source("x = 1", is_package=True),
            "ccproxy.simulator": Source('"""Doc."""\n__version__ = "1"', is_package=True),
        }

        self.assertEqual(talkative({**packages, **wrong}), list(wrong))
        self.assertEqual(talkative({"ccproxy": Source('"""Doc."""\nx = 1', is_package=True)}), ["ccproxy"])

    def test_length(self) -> None:
        """The 301st line is one too many."""
        self.assertEqual(lengthy({"a": Source("x\n" * 300), "b": Source("x\n" * 301)}), ["b"])
