"""This module is the tests of the cached list of models."""

from __future__ import annotations

import json
from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from ccproxy.codecs import Model
from ccproxy.errors import Kind, ProxyError
from ccproxy.upkeep.catalog import Catalog
from ccproxy.upstreams.commandcode.models import fallback
from ccproxy.upstreams.commandcode.upstream import CommandCode
from tests.upkeep.website import Website


def listing(*ids: str) -> bytes:
    """The upstream's answer when it has these models."""
    return json.dumps({"object": "list", "data": [{"id": each, "name": each.upper()} for each in ids]}).encode()


class CatalogTests(SynchronousTestCase):
    """A list of models that is stale after 300 seconds."""

    @override
    def setUp(self) -> None:
        self.site = Website()
        self.site.body = listing("vendor/one", "two")
        self.catalog = self.built(live=True)

    def built(self, *, live: bool) -> Catalog:
        """A list of which nothing was read yet."""
        upstream = CommandCode(
            api_base="http://api.example",
            project_slug="project",
            user_agent="",
            environment="linux",
            zero_data_retention=False,
            line_limit=0,
        )
        return Catalog(self.site.client, upstream, live=live, max_age=300, timeout=10, clock=self.site.clock)

    def models(self) -> Deferred[Sequence[Model]]:
        """Ask for the list."""
        return Deferred.fromCoroutine(self.catalog.models())

    def ids(self) -> list[str]:
        """The ids of the list, which is there."""
        return [model.id for model in self.successResultOf(self.models())]

    def refused(self) -> ProxyError:
        """Why the list could not be had."""
        refreshed = Deferred.fromCoroutine(self.catalog.refresh())
        error = self.failureResultOf(refreshed, ProxyError).value
        assert isinstance(error, ProxyError)
        return error

    def test_list_is_the_upstreams(self) -> None:
        """The first to ask gets the live list."""
        ids = self.ids()

        self.assertEqual((ids, self.site.asked), (["vendor/one", "two"], [b"/provider/v1/models"]))

    def test_fresh_list_is_not_asked_for_again(self) -> None:
        """A list that was read is served from memory."""
        self.ids()
        self.site.clock.advance(300)

        self.assertEqual(self.ids(), ["vendor/one", "two"])
        self.assertEqual(len(self.site.asked), 1)

    def test_stale_list_is_served_while_the_new_one_is_fetched(self) -> None:
        """After five minutes the old list is served once more, even if the upstream does not answer any more."""
        self.ids()
        self.site.clock.advance(301)
        self.site.status = 0

        served = self.ids()

        self.assertEqual((served, len(self.site.asked)), (["vendor/one", "two"], 2))

    def test_known_never_waits(self) -> None:
        """Whoever cannot wait gets what is there, and causes no request."""
        before = self.catalog.known()
        self.ids()

        after = [model.id for model in self.catalog.known()]

        self.assertEqual((before, after), (fallback(), ["vendor/one", "two"]))

    def test_list_that_is_not_live_is_the_built_in_one(self) -> None:
        """When the live list is turned off, nothing is ever asked for."""
        self.catalog = self.built(live=False)

        models = self.successResultOf(self.models())
        self.successResultOf(Deferred.fromCoroutine(self.catalog.refresh()))

        self.assertEqual((models, self.site.asked), (fallback(), []))

    def test_refusal_is_told_in_the_upstreams_words(self) -> None:
        """A refresh that is refused says why, and the built-in list serves."""
        self.site.status, self.site.body = 503, b'{"error":{"message":"Come back tomorrow"}}'

        error = self.refused()

        self.assertEqual(error.kind, Kind.OVERLOADED)
        self.assertIn("Come back tomorrow", error.message)
        self.assertEqual(self.catalog.known(), fallback())

    def test_refusal_is_no_failure_for_those_who_ask(self) -> None:
        """Whoever asks for the list of an upstream that is down gets the built-in one."""
        self.site.status = 500

        self.assertEqual(self.successResultOf(self.models()), fallback())

    def test_bad_list_keeps_the_old_one(self) -> None:
        """A list without a model in it, or cut at 4 MiB, does not replace the one that was read."""
        self.ids()

        for body in (b"", b"[]", b"<html>", b'{"data":[{"name":"no id"}]}', listing("x" * 5_000_000)):
            self.site.body = body

            self.assertEqual(self.refused().kind, Kind.UPSTREAM)
            self.assertEqual([model.id for model in self.catalog.known()], ["vendor/one", "two"])

    def test_upstream_that_does_not_answer_is_given_up(self) -> None:
        """Nobody waits longer than 10 seconds for the first list."""
        self.site.status = 0
        asked = [self.models(), self.models()]
        self.site.clock.advance(9)
        self.assertNoResult(asked[1])

        self.site.clock.advance(1)

        self.assertEqual([self.successResultOf(each) for each in asked], [fallback()] * 2)
        self.assertEqual((len(self.site.asked), self.site.clock.getDelayedCalls()), (1, []))

    def test_nearest_are_three(self) -> None:
        """For an unknown id there are three suggestions, the likeliest first."""
        self.site.body = listing("a/alpha", "b/beta", "gpt-6-luna", "gpt-6-sol", "gpt-5")
        self.ids()

        nearest = self.catalog.nearest("gpt-6-lun")

        self.assertEqual(nearest, ["gpt-6-luna", "gpt-6-sol", "gpt-5"])

    def test_nearest_mind_neither_case_nor_vendor(self) -> None:
        """An id without its vendor, in any case, finds the model."""
        nearest = [self.catalog.nearest(asked)[0] for asked in ("KIMI-K3", "openrouter/kimi-k2.6", "Claude-Opus-5")]

        self.assertEqual(nearest, ["moonshotai/Kimi-K3", "moonshotai/Kimi-K2.6", "claude-opus-5"])

    def test_nearest_of_a_short_list(self) -> None:
        """A list of two has two suggestions."""
        self.ids()

        self.assertEqual(sorted(self.catalog.nearest("one")), ["two", "vendor/one"])
