"""Tests of the same faults of upstreams, with Twisted's own HTTP client on the way to them."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.faults import test_tls, test_upstream

STANDARD: dict[str, Any] = {"upstream_client": "twisted"}


class ConnectionTests(test_upstream.ConnectionTests):
    """Connections that are not made, or break."""

    settings: ClassVar[dict[str, Any]] = STANDARD


class FramingTests(test_upstream.FramingTests):
    """HTTP that is unusual, or wrong."""

    settings: ClassVar[dict[str, Any]] = STANDARD


class KeptConnectionTests(test_upstream.KeptConnectionTests):
    """Connections that served before."""

    settings: ClassVar[dict[str, Any]] = STANDARD


class TLSTests(test_tls.TLSTests):
    """Certificates."""

    settings: ClassVar[dict[str, Any]] = STANDARD


class ResumptionTests(test_tls.ResumptionTests):
    """TLS sessions that are taken up again."""

    settings: ClassVar[dict[str, Any]] = STANDARD
