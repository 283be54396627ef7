"""This module is the tests of the client version that the upstream expects."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from ccproxy.errors import Kind, ProxyError
from ccproxy.upkeep.release import FALLBACK_VERSION, Release
from tests.upkeep.website import Website

UNUSABLE = (
    b"",
    b"<html>not found</html>",
    b"[]",
    b'"2.0.0"',
    b"{}",
    b'{"version":2}',
    b'{"version":null}',
    b'{"version":"latest"}',
    b'{"version":"2.0"}',
    b'{"version":"2.0.0\\r\\nX-Evil: 1"}',
    b'{"version":"2.0.0 "}',
    b'{"version":"\xd9\xa2.0.0"}',
    b'{"version":"2.0.0","readme":"' + b"x" * 300_000 + b'"}',
)


class ReleaseTests(SynchronousTestCase):
    """A version that is read from a URL."""

    @override
    def setUp(self) -> None:
        self.site = Website()

    def release(self, *, pinned: str = "") -> Release:
        """A version that nothing was read of yet."""
        return Release(
            self.site.client,
            url="http://cdn.example/package.json",
            pinned=pinned,
            max_age=86_400,
            timeout=10,
            clock=self.site.clock,
        )

    def refresh(self, release: Release) -> Deferred[None]:
        """Ask for the newest version."""
        return Deferred.fromCoroutine(release.refresh())

    def refused(self, release: Release) -> ProxyError:
        """Why the newest version could not be had."""
        error = self.failureResultOf(self.refresh(release), ProxyError).value
        assert isinstance(error, ProxyError)
        return error

    def test_fallback_serves_before_the_first_document(self) -> None:
        """The daemon serves offline, and telling the version fetches nothing."""
        version = self.release().version()

        self.assertEqual((version, self.site.asked), (FALLBACK_VERSION, []))

    def test_newest_version_is_read(self) -> None:
        """Any JSON document with a version tells it."""
        release = self.release()
        self.site.body = b'{"name":"command-code","version":"2.3.4","dependencies":{}}'

        self.successResultOf(self.refresh(release))

        self.assertEqual((release.version(), self.site.asked), ("2.3.4", [b"/package.json"]))

    def test_newer_version_replaces_the_newest(self) -> None:
        """Each refresh counts, whatever the version was before."""
        release = self.release()

        for version in ("2.3.4", "2.4.0-beta.1", "2.3.9"):
            self.site.body = b'{"version":"%b"}' % version.encode()
            self.successResultOf(self.refresh(release))

            self.assertEqual(release.version(), version)

    def test_pinned_version_is_never_asked_for(self) -> None:
        """A version in the configuration is used whatever is published, without a request."""
        release = self.release(pinned="1.0.0")
        self.site.body = b'{"version":"2.3.4"}'

        self.successResultOf(self.refresh(release))

        self.assertEqual((release.version(), self.site.asked), ("1.0.0", []))

    def test_unusable_document_keeps_the_version(self) -> None:
        """A document without a plain version in it is refused, and so is one that is too large."""
        release = self.release()

        for body in UNUSABLE:
            self.site.body = body
            error = self.refused(release)

            self.assertEqual(error.kind, Kind.UPSTREAM, body[:40])
            self.assertEqual(release.version(), FALLBACK_VERSION, body[:40])

    def test_refusal_keeps_the_version(self) -> None:
        """A site that has no document for us leaves what was read before, and its status is told."""
        release = self.release()
        self.site.body = b'{"version":"2.3.4"}'
        self.successResultOf(self.refresh(release))
        self.site.status = 404

        error = self.refused(release)

        self.assertIn("status 404", error.message)
        self.assertEqual(release.version(), "2.3.4")

    def test_site_that_does_not_answer_is_given_up(self) -> None:
        """A refresh takes 10 seconds at most, and the next one may succeed."""
        release = self.release()
        self.site.status = 0
        refreshed = self.refresh(release)
        self.assertNoResult(refreshed)

        self.site.clock.advance(10)

        self.assertEqual(self.failureResultOf(refreshed, ProxyError).value.kind, Kind.TIMEOUT)
        self.site.status, self.site.body = 200, b'{"version":"2.3.4"}'
        self.successResultOf(self.refresh(release))
        self.assertEqual((release.version(), self.site.clock.getDelayedCalls()), ("2.3.4", []))
