"""Tests of the head of a response."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.web.preamble import response_head

NOW = 1_700_000_000.9


class ResponseHeadTests(SynchronousTestCase):
    """`response_head`."""

    def test_fields(self) -> None:
        """What every response carries comes before its own fields."""
        self.assertEqual(
            response_head("HTTP/1.1 200 OK", {"Content-Type": "text/plain"}, NOW),
            b"HTTP/1.1 200 OK\r\nServer: ccproxy\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nAccess-Control-Allow-Origin: *\r\n"
            b"Access-Control-Expose-Headers: *\r\nContent-Type: text/plain\r\n\r\n",
        )

    def test_bytes(self) -> None:
        """What is no UTF-8 leaves as it came."""
        head = response_head("HTTP/1.1 200 OK", {"X-A": b"\xe9".decode("utf-8", "surrogateescape"), "X-B": "\xe9"}, NOW)

        self.assertTrue(head.endswith(b"X-A: \xe9\r\nX-B: \xc3\xa9\r\n\r\n"))

    @given(
        st.dictionaries(st.sampled_from(["X-A", "X-B", "X-C"]), st.text(st.sampled_from("ab \r\n\v\f\x1c\x85\u2028")))
    )
    def test_line_breaks(self, fields: dict[str, str]) -> None:
        """No value begins another field, or ends the head."""
        head = response_head("HTTP/1.1 200 OK", fields, NOW)

        self.assertEqual(head.count(b"\r\n"), 7 + len(fields) - 1)
        self.assertEqual((head.count(b"\n"), head.count(b"\r")), (head.count(b"\r\n"), head.count(b"\r\n")))
        self.assertEqual(head.index(b"\r\n\r\n"), len(head) - 4)
