"""Tests of the reasons why an exchange can fail."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind, ProxyError


class KindTests(SynchronousTestCase):
    """The list of reasons."""

    def test_statuses(self) -> None:
        """Every reason has the status that clients know it by, and those that pass are the ones worth a second try."""
        retryable = {kind.status for kind in Kind if kind.retryable}

        self.assertEqual(
            sorted({kind.status for kind in Kind}),
            [400, 401, 402, 403, 404, 405, 408, 413, 426, 429, 431, 500, 502, 503, 504],
        )
        self.assertEqual(retryable, {408, 429, 502, 503, 504})
        self.assertFalse(Kind.USAGE_EXHAUSTED.retryable)


class ProxyErrorTests(SynchronousTestCase):
    """The one exception."""

    def test_words(self) -> None:
        """An error carries its words, its status and, if it has one, the field; its text is its words."""
        error = ProxyError(Kind.INVALID_REQUEST, "Wrong.", field="messages[2]", details={"a": 1})

        self.assertEqual((str(error), error.message, error.status), ("Wrong.", "Wrong.", 400))
        self.assertEqual((error.field, error.details, error.replayable), ("messages[2]", {"a": 1}, False))

    def test_default_pause(self) -> None:
        """An error that may pass has a time to wait, 30 seconds for a rate limit and else one, unless another is known."""
        usual = {kind: 30 if kind is Kind.RATE_LIMITED else 1 for kind in Kind if kind.retryable}

        self.assertEqual({kind: ProxyError(kind, "x").retry_after for kind in Kind}, {**dict.fromkeys(Kind), **usual})
        self.assertEqual(ProxyError(Kind.RATE_LIMITED, "x", retry_after=7).retry_after, 7)
        self.assertEqual(ProxyError(Kind.RATE_LIMITED, "x", retry_after=0).retry_after, 0)

    def test_retryable(self) -> None:
        """An error that the upstream says will not pass has no time to wait, unless one is known."""
        final = ProxyError(Kind.UPSTREAM, "x", retryable=False)

        self.assertEqual((final.retryable, final.retry_after), (False, None))
        self.assertEqual(ProxyError(Kind.USAGE_EXHAUSTED, "x", retry_after=60).retry_after, 60)
        self.assertTrue(ProxyError(Kind.INTERNAL, "x", retryable=True).retryable)
