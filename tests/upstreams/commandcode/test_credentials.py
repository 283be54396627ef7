"""Tests of how the caller's key is found."""

from __future__ import annotations

from time import process_time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind, ProxyError
from ccproxy.upstreams.commandcode.credentials import find_key


def found(**headers: str) -> str:
    """The key in these headers."""
    return find_key({name.replace("_", "-"): value for name, value in headers.items()}).reveal()


class FoundTests(SynchronousTestCase):
    """Headers that hold a key."""

    def test_bearer(self) -> None:
        """A bearer token is the key."""
        key = found(authorization="Bearer user_test_key")

        self.assertEqual(key, "user_test_key")

    def test_x_api_key(self) -> None:
        """A key in x-api-key is taken, with or without a scheme before it."""
        keys = [found(x_api_key=value) for value in ("user_test_key", "Bearer user_test_key")]

        self.assertEqual(keys, ["user_test_key"] * 2)

    def test_surroundings(self) -> None:
        """What was pasted around a key is left behind."""
        values = (
            "user_test-key",
            "bearer   user_test-key  ",
            'Bearer "user_test-key"',
            "Bearer 'user_test-key'",
            "Bearer token_user_test-key",
            "Bearer user_test-key/v1/messages",
            "Bearer https://example.com/?key=user_test-key&x=1",
        )

        keys = {found(authorization=value) for value in values}

        self.assertEqual(keys, {"user_test-key"})

    def test_first_header_wins(self) -> None:
        """Of two keys the one in Authorization counts."""
        key = found(authorization="Bearer user_first", x_api_key="user_second")

        self.assertEqual(key, "user_first")

    def test_foreign_authorization(self) -> None:
        """A foreign key in Authorization does not hide ours in x-api-key."""
        key = found(authorization="Bearer sk-test", x_api_key="user_test_key")

        self.assertEqual(key, "user_test_key")


class RefusedTests(SynchronousTestCase):
    """Headers that hold no key."""

    def refusal(self, **headers: str) -> ProxyError:
        """The error for these headers."""
        error = self.assertRaises(ProxyError, found, **headers)
        assert isinstance(error, ProxyError)
        return error

    def test_absent(self) -> None:
        """Without a key the caller is told how to send one."""
        for headers in ({}, {"authorization": ""}, {"authorization": "Bearer "}, {"x_api_key": "''"}):
            error = self.refusal(**headers)

            self.assertIs(error.kind, Kind.AUTHENTICATION)
            self.assertTrue(error.message.startswith("No API key."), error.message)
            self.assertIn("commandcode.ai/settings/keys", error.message)

    def test_foreign(self) -> None:
        """A key of another service is refused with what is needed, and is not repeated."""
        for value in ("Bearer sk-ant-test-secret", "Bearer test-secret", "Bearer user_"):
            error = self.refusal(authorization=value)

            self.assertIs(error.kind, Kind.AUTHENTICATION)
            self.assertIn("begins with user_", error.message)
            self.assertIn("commandcode.ai/settings/keys", error.message)
            self.assertNotIn("secret", error.message)

    @given(st.text())
    def test_any_header(self, value: str) -> None:
        """Whatever a header holds, there is a key that begins with user_, or an authentication error."""
        try:
            key = find_key({"authorization": value})
        except ProxyError as error:
            self.assertIs(error.kind, Kind.AUTHENTICATION)
        else:
            self.assertTrue(key.reveal().startswith("user_"))

    def test_linear_time(self) -> None:
        """A long header takes no time worth mentioning."""
        started = process_time()

        for value in (" " * 200_000 + "x", "user" * 50_000, "bearer" * 50_000):
            self.refusal(authorization=value)

        self.assertLess(process_time() - started, 1)
