"""Tests of the list of models."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Model
from ccproxy.errors import Kind, ProxyError
from ccproxy.framing import dumps
from ccproxy.prompt import Effort
from ccproxy.upstreams.commandcode.models import capabilities, fallback, parse


class CapabilitiesTests(SynchronousTestCase):
    """What is known of a model."""

    def test_known(self) -> None:
        """A model of the catalogue has its sizes, its eyes and its efforts."""
        able = capabilities("moonshotai/Kimi-K3")

        assert able is not None
        self.assertEqual((able.context, able.max_output, able.images), (1_000_000, 131_000, True))
        self.assertEqual(able.efforts, (Effort.LOW, Effort.HIGH, Effort.MAX))

    def test_case(self) -> None:
        """The case of an id does not matter."""
        self.assertEqual(capabilities("DEEPSEEK/DeepSeek-V4-Pro"), capabilities("deepseek/deepseek-v4-pro"))

    def test_unknown(self) -> None:
        """Of an unknown model nothing is claimed."""
        self.assertIsNone(capabilities("nobody/nothing"))

    def test_effort_that_cannot_be_chosen(self) -> None:
        """No effort is not the same as an unknown one."""
        fixed, unknown = capabilities("zai-org/GLM-5"), capabilities("xai/grok-4.7")

        assert fixed is not None
        assert unknown is not None
        self.assertEqual((fixed.efforts, unknown.efforts), ((), None))

    def test_efforts_rise(self) -> None:
        """Every model's efforts stand in rising order."""
        order = list(Effort)

        for model in fallback():
            able = capabilities(model.id)
            assert able is not None
            self.assertEqual(list(able.efforts or ()), sorted(able.efforts or (), key=order.index), model.id)


class FallbackTests(SynchronousTestCase):
    """The built-in list."""

    def test_models(self) -> None:
        """It holds each model once, with what is known of its size and of what it can do."""
        ids = [model.id.lower() for model in fallback()]

        self.assertEqual(len(ids), len(set(ids)))
        self.assertIn(Model("claude-haiku-4-5-20251001", context_length=200_000, images=True, efforts=()), fallback())


class ParseTests(SynchronousTestCase):
    """The live list."""

    def test_all_fields(self) -> None:
        """What the upstream says of a model is kept, and what it does not say is looked up."""
        entry = {
            "id": "deepseek/deepseek-v4-flash",
            "object": "model",
            "created": 1750000000,
            "owned_by": "somebody",
            "name": "DeepSeek V4 Flash",
            "context_length": 900_000,
            "supported_endpoints": ["/v1/chat/completions"],
        }

        models = parse(dumps({"object": "list", "data": [entry]}))

        expected = Model(
            "deepseek/deepseek-v4-flash",
            name="DeepSeek V4 Flash",
            owner="somebody",
            created=1750000000,
            context_length=900_000,
            max_output=384_000,
            images=False,
            efforts=("high", "max"),
            endpoints=("/v1/chat/completions",),
        )
        self.assertEqual(models, (expected,))

    def test_missing_fields(self) -> None:
        """An id is enough."""
        models = parse(b'{"data":[{"id":"nobody/nothing"}]}')

        self.assertEqual(models, (Model("nobody/nothing"),))

    def test_odd_fields(self) -> None:
        """Fields of another type are as good as missing."""
        models = parse(
            b'{"data":[{"id":"a","name":1,"created":true,"owned_by":[],"context_length":"1M","supported_endpoints":[1,"x"]}]}'
        )

        self.assertEqual(models, (Model("a", endpoints=("x",)),))

    def test_bad_entries(self) -> None:
        """Entries without an id are skipped, and a second entry for an id too."""
        models = parse(b'{"data":[null,"x",{},{"id":""},{"id":7},{"id":"a","name":"A"},{"id":"a","name":"B"}]}')

        self.assertEqual(models, (Model("a", name="A"),))

    def test_no_list(self) -> None:
        """What lists no model is refused, so that an older list stays."""
        bodies = (b"", b"<html>", b"null", b'"x"', b"{}", b'{"data":{}}', b'{"data":[]}', b'{"data":[1]}', b"[1]")

        for body in bodies:
            error = self.assertRaises(ProxyError, parse, body)
            self.assertIs(error.kind, Kind.UPSTREAM)
