"""Tests of what the upstream's failures are named."""

from __future__ import annotations

from collections.abc import Mapping
from time import process_time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind, ProxyError
from ccproxy.framing import dumps
from ccproxy.upstreams.commandcode.diagnosis import diagnose, from_event

DATE = "Thu, 01 Oct 2026 12:00:00 GMT"
NOON = 1_790_856_000
WINDOW = "You've reached your 5-hour usage limit."


def refusal(
    status: int, message: str = "No.", code: str = "", headers: Mapping[str, str] | None = None, **more: object
) -> ProxyError:
    """The error for a refusal in the upstream's own envelope."""
    error = {"code": code, "status": status, "message": message, **more}
    return diagnose(status, headers or {}, dumps({"success": False, "error": error}))


class StatusTests(SynchronousTestCase):
    """Refusals whose words say nothing special."""

    def test_statuses(self) -> None:
        """A status keeps its meaning."""
        expected = {
            307: Kind.UPSTREAM,
            400: Kind.INVALID_REQUEST,
            401: Kind.AUTHENTICATION,
            402: Kind.CREDIT,
            403: Kind.PERMISSION,
            404: Kind.NOT_FOUND,
            408: Kind.TIMEOUT,
            409: Kind.INVALID_REQUEST,
            413: Kind.TOO_LARGE,
            422: Kind.INVALID_REQUEST,
            429: Kind.RATE_LIMITED,
            500: Kind.UPSTREAM,
            502: Kind.UPSTREAM,
            503: Kind.OVERLOADED,
            504: Kind.TIMEOUT,
            529: Kind.OVERLOADED,
        }

        named = {status: refusal(status).kind for status in expected}

        self.assertEqual(named, expected)

    def test_retryable(self) -> None:
        """A client may send the same again after a failure of the moment, and after nothing else."""
        statuses = (307, 400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529)

        retryable = [status for status in statuses if refusal(status).retryable]

        self.assertEqual(retryable, [408, 429, 500, 502, 503, 504, 529])

    def test_replayable(self) -> None:
        """We may try again ourselves only where nothing was generated: when the upstream is overloaded."""
        replayable = [status for status in range(300, 600) if refusal(status).replayable]

        self.assertEqual(replayable, [503, 529])

    def test_refusal_with_status_of_overload(self) -> None:
        """A refusal is not tried again, whatever its status."""
        for error in (refusal(503, "Insufficient credits."), refusal(503, isRetryable=False)):
            self.assertEqual((error.replayable, error.retryable), (False, False))

    def test_words(self) -> None:
        """The upstream's words are passed on, without keys."""
        error = refusal(403, "The key user_test_key may not do this.")

        self.assertEqual(error.message, "The key user_*** may not do this.")

    def test_pages_and_silence(self) -> None:
        """Where there are no words a sentence names the status."""
        for body in (b"", b" \n", b"<html><body>502</body></html>"):
            error = diagnose(502, {"content-type": "text/html"}, body)
            self.assertEqual(error.message, "The upstream answered with status 502 and gave no reason.")

    def test_plain_text(self) -> None:
        """A body that is no JSON is the message."""
        self.assertEqual(diagnose(500, {}, b"Internal Server Error").message, "Internal Server Error")

    def test_cut_body(self) -> None:
        """A body that is cut short is understood as far as it goes."""
        error = diagnose(403, {}, b'{"success":false,"error":{"code":"MODEL_NOT_IN_PLAN","message":"This mod\xc3')

        self.assertIs(error.kind, Kind.PERMISSION)


class CauseTests(SynchronousTestCase):
    """Refusals whose words say what the status does not."""

    cases = (
        (400, "", "You have insufficient credits to make this request.", Kind.CREDIT),
        (402, "", "Insufficient Balance", Kind.CREDIT),
        (403, "premium_credits_exhausted", "Your premium credits are used up.", Kind.CREDIT),
        (500, "", "insufficient account balance", Kind.CREDIT),
        (403, "MODEL_NOT_IN_PLAN", "This model is not available in your plan.", Kind.PERMISSION),
        (403, "upgrade_required", "Your Go plan doesn't include API access. Upgrade to Provider.", Kind.PERMISSION),
        (403, "", "Proxy use detected: this endpoint serves the CLI only.", Kind.PERMISSION),
        (400, "", "This version of Command Code is too old.", Kind.PERMISSION),
        (403, "FORBIDDEN", "Model/provider not recognized: a/b", Kind.MODEL_NOT_FOUND),
        (403, "FORBIDDEN", "Model/provider not recognised: a/b", Kind.MODEL_NOT_FOUND),
        (400, "unsupported_model", "Use another endpoint.", Kind.MODEL_NOT_FOUND),
        (404, "NOT_FOUND", "The model `a/b` does not exist.", Kind.MODEL_NOT_FOUND),
        (400, "context_length_exceeded", "Too much.", Kind.CONTEXT_LENGTH),
        (400, "", "This model's maximum context length is 8192 tokens.", Kind.CONTEXT_LENGTH),
        (400, "", "prompt is too long: 210000 tokens > 200000 maximum", Kind.CONTEXT_LENGTH),
        (400, "", "The input token count (9) exceeds the maximum number of tokens allowed (8).", Kind.CONTEXT_LENGTH),
        (422, "CMD_ZDR_NO_PROVIDERS", "No provider serves this model.", Kind.INVALID_REQUEST),
        (403, "", "Unset CMD_ZDR or choose another model.", Kind.INVALID_REQUEST),
        (500, "DataInspectionFailed", "Inappropriate content.", Kind.INVALID_REQUEST),
        (429, "", "user concurrency limit exceeded", Kind.RATE_LIMITED),
        (403, "", "user concurrency limit exceeded", Kind.RATE_LIMITED),
        (429, "RATE_LIMITED", "Too many requests.", Kind.RATE_LIMITED),
        (429, "", WINDOW, Kind.USAGE_EXHAUSTED),
        (429, "", "You have hit your weekly limit.", Kind.USAGE_EXHAUSTED),
        (429, "USAGE_EXCEEDED", "The spend cap is reached.", Kind.USAGE_EXHAUSTED),
        (
            400,
            "BAD_REQUEST",
            'HINT: Validation error: Too big: expected number to be <=200000 at "params.max_tokens"',
            Kind.INVALID_REQUEST,
        ),
        (403, "FORBIDDEN", "You may not do this.", Kind.PERMISSION),
        (500, "INTERNAL_SERVER_ERROR", "An unexpected error occurred. Please try again later.", Kind.UPSTREAM),
    )

    def test_refusals(self) -> None:
        """The words decide where they are known."""
        for status, code, message, kind in self.cases:
            self.assertIs(refusal(status, message, code).kind, kind, (status, code, message))

    def test_events(self) -> None:
        """The same words mean the same inside a stream."""
        for status, code, message, kind in self.cases:
            error = from_event({"statusCode": status, "code": code, "message": message})
            self.assertIs(error.kind, kind, (status, code, message))

    def test_version_hint(self) -> None:
        """Who runs an old version is told which setting to change, after the upstream's own words."""
        error = refusal(403, "This version of Command Code is too old.")

        self.assertTrue(error.message.startswith("This version of Command Code is too old. "))
        self.assertIn("cliVersion", error.message)

    def test_linear_time(self) -> None:
        """A large body takes no time worth mentioning."""
        started = process_time()

        for piece in (b"version ", b"model ", b"{", b"user_", b'{"error":', b"reasoning_content", b"<", b"not "):
            diagnose(400, {}, piece * (65_536 // len(piece)))

        self.assertLess(process_time() - started, 2)


class WaitTests(SynchronousTestCase):
    """How long to wait."""

    def test_seconds(self) -> None:
        """The upstream's own number of seconds is passed on."""
        self.assertEqual(refusal(429, headers={"retry-after": " 7 "}).retry_after, 7)
        self.assertEqual(refusal(503, headers={"retry-after": "0.5"}).retry_after, 0.5)

    def test_date(self) -> None:
        """A date is taken relative to the response's own."""
        headers = {"retry-after": "Thu, 01 Oct 2026 12:01:30 GMT", "date": DATE}

        self.assertEqual(refusal(429, headers=headers).retry_after, 90)

    def test_unknown(self) -> None:
        """What cannot be computed leaves the default."""
        values: tuple[dict[str, str], ...] = (
            {},
            {"retry-after": ""},
            {"retry-after": "soon"},
            {"retry-after": "-5"},
            {"retry-after": "inf"},
            {"retry-after": "Thu, 01 Oct 2026 12:01:30 GMT"},
            {"retry-after": "Thu, 01 Oct 2026 11:00:00 GMT", "date": DATE},
            {"retry-after": "Thu, 01 Oct 9026 11:00:00 GMT", "date": DATE},
        )

        self.assertEqual({refusal(429, headers=headers).retry_after for headers in values}, {30})

    def test_pointless(self) -> None:
        """Nobody is told to wait for what waiting does not mend."""
        self.assertIsNone(refusal(403, headers={"retry-after": "7"}).retry_after)

    def test_window(self) -> None:
        """An exhausted window is not to be retried, and names the seconds to its reset in whatever form that is said."""
        resets: tuple[object, ...] = (
            NOON + 3600,
            (NOON + 3600) * 1000,
            "2026-10-01T13:00:00Z",
            "2026-10-01T15:00:00+02:00",
        )

        for reset in resets:
            error = refusal(429, WINDOW, headers={"date": DATE}, resetAt=reset)
            self.assertEqual((error.retry_after, error.retryable, error.status), (3600, False, 429), reset)

    def test_window_without_reset(self) -> None:
        """A reset that is not known, or a window that has not begun, leaves what Retry-After says."""
        for reset in (0, None, True, "soon", -1, 10**400, NOON - 1):
            error = refusal(429, WINDOW, headers={"date": DATE, "retry-after": "60"}, resetAt=reset)
            self.assertEqual(error.retry_after, 60, reset)
        self.assertIsNone(refusal(429, WINDOW, resetAt=NOON + 3600).retry_after)


class EventTests(SynchronousTestCase):
    """Errors inside a stream."""

    def test_shapes(self) -> None:
        """An object, a string, a message alone and JSON in a message are understood."""
        shapes: tuple[tuple[object, Kind, str], ...] = (
            ({"type": "server_error", "message": "boom", "statusCode": 503}, Kind.OVERLOADED, "boom"),
            ({"message": "Insufficient Balance", "statusCode": 402}, Kind.CREDIT, "Insufficient Balance"),
            ("boom", Kind.UPSTREAM, "boom"),
            ({"message": "boom"}, Kind.UPSTREAM, "boom"),
            ("<429> slow down", Kind.RATE_LIMITED, "slow down"),
            ({"message": '<403> {"error":{"message":"not yours"}}'}, Kind.PERMISSION, "not yours"),
            ({"code": 401, "message": "boom"}, Kind.AUTHENTICATION, "boom"),
            ("Network connection lost.", Kind.UPSTREAM, "Network connection lost."),
        )

        for value, kind, message in shapes:
            error = from_event(value)
            self.assertEqual((error.kind, error.message), (kind, message))

    def test_likely_causes(self) -> None:
        """Without a status, vaguer words decide."""
        values: tuple[tuple[object, Kind], ...] = (
            ({"code": "rate_limit_exceeded", "message": "Slow down."}, Kind.RATE_LIMITED),
            ({"type": "overloaded_error", "message": "Later."}, Kind.OVERLOADED),
            ({"type": "authentication_error", "message": "Bad."}, Kind.AUTHENTICATION),
            ({"type": "permission_error", "message": "Bad."}, Kind.PERMISSION),
            ({"type": "invalid_request_error", "message": "Bad."}, Kind.INVALID_REQUEST),
            ("Tool result is missing for tool call a.", Kind.INVALID_REQUEST),
            ("The reasoning_content in the thinking mode must be passed back to the API.", Kind.INVALID_REQUEST),
        )

        for value, kind in values:
            self.assertIs(from_event(value).kind, kind, value)

    def test_status_before_likely_causes(self) -> None:
        """A status says more than vague words."""
        self.assertIs(from_event({"statusCode": 500, "message": "overloaded"}).kind, Kind.UPSTREAM)

    def test_never_replayable(self) -> None:
        """Inside a stream something may have been generated."""
        self.assertFalse(from_event({"statusCode": 503, "message": "boom"}).replayable)

    def test_not_retryable(self) -> None:
        """An error that calls itself final is final."""
        error = from_event({"message": "boom", "isRetryable": False})

        self.assertEqual((error.retryable, error.retry_after), (False, None))

    def test_retryable_claim(self) -> None:
        """A refusal does not become retryable by calling itself so."""
        self.assertFalse(from_event({"statusCode": 400, "message": "boom", "isRetryable": True}).retryable)

    def test_silence(self) -> None:
        """An error without words still is one."""
        values: tuple[object, ...] = (None, {}, "", [], 7)

        for value in values:
            error = from_event(value)

            self.assertIs(error.kind, Kind.UPSTREAM)
            self.assertEqual(error.message, "The upstream ended its answer with an error and gave no reason.")


class AnythingTests(SynchronousTestCase):
    """Whatever the upstream answers."""

    @given(
        st.integers(100, 999),
        st.dictionaries(st.sampled_from(["retry-after", "date", "content-type"]), st.text()),
        st.binary() | st.builds(dumps, st.dictionaries(st.sampled_from(["error", "message", "resetAt"]), st.text())),
    )
    def test_refusals(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """There is an error to show for it."""
        error = diagnose(status, headers, body)

        self.assertTrue(error.message)
