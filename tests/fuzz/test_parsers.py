"""Tests of everything that reads the bytes of strangers: whatever they are, there is a value or a `ProxyError`, and nothing else.

What is tested in this way beside its own module is not tested here again: single fields (`tests.test_fields`), keys
(`tests.upstreams.commandcode.test_credentials`), the configuration file (`tests.test_config`), schemas (`tests.test_schemas`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from ccproxy import fields
from ccproxy.codecs import Dialect, Identity
from ccproxy.codings import plain
from ccproxy.dialects import DIALECTS
from ccproxy.doors import read
from ccproxy.errors import Kind, ProxyError
from ccproxy.estimate import estimate
from ccproxy.fields import Fields
from ccproxy.framing import MalformedJSONError, dumps, loads
from ccproxy.keys import Key
from ccproxy.seal import Seal
from ccproxy.stages.tool_names import aliased
from ccproxy.upkeep.release import Release
from ccproxy.upstreams.commandcode.upstream import CommandCode
from ccproxy.web import caller
from tests.daemons import KEY
from tests.fuzz import mutations, oddities
from tests.unmeasured import Unmeasured
from tests.upkeep.website import Website

_T = TypeVar("_T")

LIMIT = 1 << 20
IDENTITY = Identity(Key(KEY), "0b8f6a52-6c1e-4d55-9c1a-5d6f0f3f7a10", "1.62.1", "a" * 32, "b" * 16, "2026-10-01")
UPSTREAM = CommandCode(
    api_base="http://127.0.0.1:1",
    project_slug="cc-proxy",
    user_agent="",
    environment="linux",
    zero_data_retention=False,
    line_limit=0,
)
VERSION = re.compile(r"\d+\.\d+\.\d+(-[\w.-]+)?", re.ASCII)
patient = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def values(names: Sequence[str], words: Sequence[str]) -> st.SearchStrategy[Any]:
    """Any JSON, with names and words that somebody expects, and mostly in the wrong places."""
    odd = st.sampled_from(oddities.VALUES) | st.sampled_from(words)
    return st.recursive(
        odd | st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(names) | st.text(), inner, max_size=5)
        ),
        max_leaves=12,
    )


def written(value: object) -> bytes:
    """JSON, or nearly so: NaN, infinities, lone surrogates and what is out of any range go out as they are."""
    return oddities.spelled(json.dumps(value).encode())


guesses = st.dictionaries(st.sampled_from(mutations.names()), values(mutations.names(), mutations.words()), max_size=8)
mutants = st.integers(0, 1 << 32).map(lambda number: mutations.request(2, number).body)
bodies = st.binary(max_size=200) | guesses.map(written) | mutants
MODEL_NAMES = ("data", "id", "name", "owned_by", "created", "context_length", "supported_endpoints")
ERROR_NAMES = (
    *("error", "message", "code", "type", "status", "statusCode", "success", "data", "detail", "errors"),
    *("resetAt", "reset_at", "retryAfter", "isRetryable", "responseBody", "cause", "title"),
)
ERROR_WORDS = (
    *("No.", "429", "<429> No.", "402 {}", '{"error":{"message":"No."}}', "<html>", "insufficient_quota"),
    *("usage limit", "maximum context", "rate limit", "2026-10-01T00:00:00Z", "0001-01-01T00:00:00+23:59"),
    *("9999-12-31T23:59:59-23:59", "9999-12-31", "24:00", "1e400"),
)
DATES = (
    *("", "0", "7", "-1", "1e9", "9" * 9, "1.5", "soon", "\u0663", "1 Jan 1 0:0", "Thu, 01 Jan 1970"),
    *("Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359"),
    *("Mon, 99 Xyz 99 99:99:99", "Thu, 01 Jan 1970 00:00:00 +99999999999"),
)
HEADERS = st.dictionaries(
    st.sampled_from(("retry-after", "date", "content-type", "x-trace-id")),
    st.sampled_from(DATES) | st.text(),
    max_size=3,
)


class ParserTestCase(Unmeasured):
    """What the tests of parsers share."""

    def read_or_refused(self, parse: Callable[[], _T], *kinds: Kind) -> _T | None:
        """The value, or nothing when it was refused with an error of these kinds that has words and a status of its own."""
        try:
            return parse()
        except ProxyError as error:
            self.assertIn(error.kind, kinds)
            self.assertTrue(error.message)
            self.assertIsInstance(error.field, (str, type(None)))
            return None


class RequestTests(ParserTestCase):
    """Requests of clients."""

    @given(bodies)
    @patient
    def test_dialects(self, data: bytes) -> None:
        """Every dialect reads any body, or refuses it as the client's fault; so does its first look."""
        for dialect in DIALECTS:
            readers: tuple[Callable[[Fields], object], ...] = (dialect.recognises, dialect.view, dialect.parse)
            for reader in readers:
                self.read_or_refused(partial(_given, data, reader), Kind.INVALID_REQUEST)

    @given(st.sampled_from(DIALECTS), bodies)
    @patient
    def test_doors(self, door: Dialect, data: bytes) -> None:
        """What any door lets in can be counted, and said to the upstream or refused as the client's fault."""
        prompt = self.read_or_refused(lambda: read(fields.body(data), door, DIALECTS), Kind.INVALID_REQUEST)
        if prompt is None:
            return

        self.assertGreaterEqual(estimate(prompt), 1)
        renamed, _ = aliased(Seal(IDENTITY.key).unsealed(prompt))
        request = self.read_or_refused(lambda: UPSTREAM.generate(renamed, IDENTITY), Kind.INVALID_REQUEST)
        self.assertTrue(request is None or isinstance(loads(request.body), dict))

    @given(st.binary(max_size=300), st.sampled_from(oddities.CODINGS) | st.text(max_size=20))
    @patient
    def test_codings(self, data: bytes, header: str) -> None:
        """Any body under any name of a coding is read or refused."""
        self.read_or_refused(lambda: plain(data, header, LIMIT), Kind.INVALID_REQUEST, Kind.TOO_LARGE)

    @given(st.dictionaries(st.sampled_from(("x-session-id", "traceparent", "x-request-id", "x-cmd-zdr")), st.text()))
    @patient
    def test_callers(self, headers: Mapping[str, str]) -> None:
        """What the headers say of the caller is nothing, or fit to be sent on."""
        said = (caller.session(headers), caller.request_id(headers), caller.trace_id(headers))

        self.assertTrue(all(value is None or (value.isascii() and value.isprintable()) for value in said))
        self.assertIn(caller.wants_no_retention(headers), (True, False))


class JSONTests(ParserTestCase):
    """The one JSON codec."""

    @given(st.binary(max_size=200) | values(("a", ""), ("b",)).map(written))
    @patient
    def test_anything(self, data: bytes) -> None:
        """Any bytes are JSON, which can be written again, or are refused with the place."""
        try:
            value = loads(data)
        except MalformedJSONError as error:
            self.assertTrue(str(error))
            return

        self.assertEqual(dumps(loads(dumps(value))), dumps(value))


class UpstreamTests(ParserTestCase):
    """Answers of the upstream that are no stream."""

    @given(
        st.integers(100, 999),
        HEADERS,
        st.binary(max_size=200) | values(ERROR_NAMES, ERROR_WORDS).map(written),
    )
    @patient
    def test_refusals(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Any refusal has a cause that is not a bug of ours, words, and a time to wait that every dialect can tell."""
        error = UPSTREAM.diagnose(status, headers, body)

        self.assertIsNot(error.kind, Kind.INTERNAL)
        self.assertTrue(error.message)
        self.assertTrue(error.retry_after is None or 0 <= error.retry_after < float("inf"), error.retry_after)
        for dialect in DIALECTS:
            self.assertIn("error", json.loads(dialect.refusal(error)))

    @given(st.binary(max_size=200) | values(MODEL_NAMES, ("a", "list")).map(written))
    @patient
    def test_models(self, body: bytes) -> None:
        """Any list of models is none, or one that every dialect can show."""
        models = self.read_or_refused(lambda: UPSTREAM.parse_models(body), Kind.UPSTREAM)

        for dialect in DIALECTS:
            (listed,) = (
                value for value in json.loads(dialect.models(models or ())).values() if isinstance(value, list)
            )
            self.assertEqual(len(listed), len(models or ()))

    @given(st.binary(max_size=200) | values(("version",), ("1.2.3", "1.2.3-a", "1.2")).map(written))
    @patient
    def test_version(self, body: bytes) -> None:
        """Any document of a version holds one, or is refused and changes nothing."""
        site = Website()
        site.body = body
        release = Release(site.client, url="http://cdn.example/", pinned="", max_age=9, timeout=9, clock=site.clock)

        result = Deferred.fromCoroutine(_kind_of_failure(release))

        self.assertIn(self.successResultOf(result), (None, Kind.UPSTREAM))
        self.assertTrue(VERSION.fullmatch(release.version()))


def _given(data: bytes, reader: Callable[[Fields], _T]) -> _T:
    return reader(fields.body(data))


async def _kind_of_failure(release: Release) -> Kind | None:
    try:
        await release.refresh()
    except ProxyError as error:
        return error.kind
    return None
