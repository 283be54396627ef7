"""Tests of the routes: what answers where, and what every answer carries."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ccproxy.simulator.models import CATALOGUE
from tests.web.house import CHAT, KEY, LINGERING, MESSAGES, NOW, SPEECHES, Answer, HouseTestCase

VERSION = {"anthropic-version": "2023-06-01"}
ODD_PATHS = (
    b"//v1/models",
    b"/v1//models",
    b"/v1/models/",
    b"/v1/models//",
    b"/v1/chat/completions/",
    b"//",
    b"/v1/messages/../models",
    b"/%2e%2e/%2e%2e/etc/passwd",
    b"/%00",
    b"/%0d%0aset-cookie:a=b",
    b"/\xff\xfe",
    b"/v1/models/\xff",
    b"/v1/models/%ff%fe",
    b"/v1/models/%F0%9F%90%B3",
    b"*",
    b"http://example.test/v1/models",
    b"?",
    b"/?a=%ff",
    b"/" + b"a" * 8000,
)


class RoutesTestCase(HouseTestCase):
    """A test of answers to bare requests."""

    def got(
        self, path: str | bytes, headers: Mapping[str, str] | None = None, method: str = "GET", body: object = None
    ) -> Answer:
        """The answer of a new daemon to one request."""
        return self.daemon().connect().ask(method, path, body, headers).answer


class PlainTests(RoutesTestCase):
    """The routes that need no key and no model."""

    def test_root(self) -> None:
        """The root says what is served."""
        answer = self.got("/")

        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "text/plain; charset=utf-8"))
        for path in (CHAT.path, MESSAGES.path, "/v1/models", "/health"):
            self.assertIn(f"  {path}\n".encode(), answer.body)

    def test_head_of_root(self) -> None:
        """The probe that Claude Code begins with is answered at once, without a body."""
        client = self.daemon().connect().ask("HEAD", "/")

        self.assertTrue(client.received.startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertTrue(client.received.endswith(b"\r\n\r\n"))
        self.assertEqual(client.received.count(b"\r\n\r\n"), 1)

    def test_health(self) -> None:
        """The health check is OK without a key."""
        answer = self.got("/health")

        self.assertEqual((answer.status, answer.body), (200, b"OK"))

    def test_server(self) -> None:
        """The Server header names the proxy and nothing that it is made of."""
        self.assertEqual(self.got("/health").headers["server"], "ccproxy")


class ModelsTests(RoutesTestCase):
    """The model list, and one of its models."""

    def test_openai_list(self) -> None:
        """Without a hint the list has OpenAI's shape, and holds what the upstream lists."""
        listing = self.got("/v1/models").document

        self.assertEqual(listing["object"], "list")
        self.assertEqual([model["id"] for model in listing["data"]][:19], [entry.id for entry in CATALOGUE])
        self.assertEqual({model["object"] for model in listing["data"]}, {"model"})

    def test_anthropic_list(self) -> None:
        """With an ``anthropic-version`` the list has Anthropic's shape."""
        page = self.got("/v1/models?limit=1000", VERSION).document

        self.assertIs(page["has_more"], False)
        self.assertEqual((page["first_id"], page["data"][0]["display_name"]), (CATALOGUE[0].id, CATALOGUE[0].name))
        self.assertEqual({model["type"] for model in page["data"]}, {"model"})

    def test_without_prefix(self) -> None:
        """The list is also where clients look that leave ``/v1`` out of the base URL."""
        self.assertEqual(self.got("/models").document, self.got("/v1/models").document)

    def test_fallback(self) -> None:
        """With the live list turned off the built-in one is served, and the upstream is not asked."""
        daemon = self.daemon(use_provider_models=False)

        listing = daemon.connect().ask("GET", "/v1/models").answer.document

        self.assertNotIn("sim/text", [model["id"] for model in listing["data"]])
        self.assertIn("deepseek/deepseek-v4-flash", [model["id"] for model in listing["data"]])

    def test_model(self) -> None:
        """One model is shown under its id."""
        model = self.got("/v1/models/claude-sonnet-4-6").document

        self.assertEqual(
            (model["id"], model["object"], model["name"]), ("claude-sonnet-4-6", "model", "Claude Sonnet 4.6")
        )

    def test_slash(self) -> None:
        """An id with a slash works raw and percent-encoded, and in either case of its letters."""
        for path in (
            "/v1/models/deepseek/deepseek-v4-pro",
            "/v1/models/deepseek%2Fdeepseek-v4-pro",
            "/v1/models/deepseek%2fDeepSeek-V4-Pro",
            "/models/deepseek/deepseek-v4-pro",
        ):
            answer = self.got(path)
            self.assertEqual((answer.status, answer.document["id"]), (200, "deepseek/deepseek-v4-pro"), path)

    def test_anthropic_model(self) -> None:
        """One model in Anthropic's shape."""
        model = self.got("/v1/models/moonshotai%2FKimi-K3", VERSION).document

        self.assertEqual(
            (model["type"], model["id"], model["display_name"]), ("model", "moonshotai/Kimi-K3", "Kimi K3")
        )

    def test_unknown_model(self) -> None:
        """An unknown id is a 404 that names the three nearest ids of the list."""
        error = self.got("/v1/models/deepseek-v4-pr").error

        self.assertEqual(error["code"], "model_not_found")
        self.assertIn("nearest known models: deepseek/deepseek-v4-pro, deepseek/deepseek-v4", error["message"])
        self.assertEqual(error["message"].count(", "), 2)

    def test_unknown_model_status(self) -> None:
        """An unknown id is a 404 in both dialects."""
        chat, messages = self.got("/v1/models/nothing"), self.got("/v1/models/nothing", VERSION)

        self.assertEqual((chat.status, messages.status), (404, 404))
        self.assertEqual((messages.document["type"], messages.error["type"]), ("error", "not_found_error"))


class WrongWayTests(RoutesTestCase):
    """Paths and methods that nothing serves."""

    def test_unknown_path(self) -> None:
        """An unknown path is a 404 in JSON that names the right path in the path's dialect."""
        for path, nearest, dialect in (
            ("/v1/chat/completion", CHAT.path, CHAT),
            ("/v1/chat/completions/extra", CHAT.path, CHAT),
            ("/v1/messages/batches", MESSAGES.path, MESSAGES),
            ("/v1/models2", "/v1/models", CHAT),
        ):
            answer = self.got(path, method="POST", body={})
            self.assertEqual((answer.status, answer.headers["content-type"]), (404, "application/json"), path)
            self.assertTrue(answer.error["message"].endswith(f"the nearest path is {nearest}."), path)
            self.assertEqual(answer.document.get("type"), "error" if dialect is MESSAGES else None, path)

    def test_headers_tell_the_dialect(self) -> None:
        """On a path of no dialect, the headers tell which one the client expects."""
        answer = self.got("/v2/nothing", VERSION)

        self.assertEqual((answer.status, answer.error["type"]), (404, "not_found_error"))

    def test_wrong_method(self) -> None:
        """A wrong method is a 405 in JSON with ``Allow``, in the path's dialect."""
        for speech, kind in ((CHAT, "invalid_request_error"), (MESSAGES, "invalid_request_error")):
            answer = self.got(speech.path)
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST"), speech)
            self.assertEqual((answer.error["type"], speech.path in answer.error["message"]), (kind, True), speech)

    def test_wrong_method_of_plain_routes(self) -> None:
        """A POST to the model list is a 405 that says what is allowed."""
        answer = self.got("/v1/models", method="POST", body={})

        self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD"))

    def test_odd_paths(self) -> None:
        """No path, however odd, is a fault of the server: it is served or refused."""
        for path in ODD_PATHS:
            self.assertIn(self.got(path).status, (200, 400, 404, 405), path)

    def test_not_utf8(self) -> None:
        """A path that is no UTF-8 is a 400 in JSON."""
        answer = self.got("/v1/models/%ff%fe")

        self.assertEqual((answer.status, answer.headers["content-type"]), (400, "application/json"))
        self.assertIn("UTF-8", answer.error["message"])

    def test_long_path(self) -> None:
        """A refusal does not repeat a long path."""
        answer = self.got("/" + "a" * 8000)

        self.assertEqual(answer.status, 404)
        self.assertLess(len(answer.body), 400)

    def test_not_http(self) -> None:
        """What is no HTTP at all is refused and closed."""
        daemon = self.daemon()
        client = daemon.connect().send(b"\x16\x03\x01\x02\x00\x01\x00\r\n")

        daemon.advance(LINGERING)

        self.assertEqual((client.answer.status, client.answer.error["type"]), (400, "invalid_request_error"))
        self.assertFalse(client.connected)


class CarriedTests(RoutesTestCase):
    """What every answer carries."""

    def test_cors(self) -> None:
        """A web page may read any answer: documents, streams, and whatever went wrong."""
        key = {"authorization": f"Bearer {KEY}"}
        for method, path, body, headers, status in (
            ("GET", "/", None, {}, 200),
            ("GET", "/v1/models", None, {}, 200),
            ("GET", "/nothing", None, {}, 404),
            ("GET", "/%ff", None, {}, 400),
            ("GET", CHAT.path, None, {}, 405),
            ("POST", CHAT.path, CHAT.body(), {}, 401),
            ("POST", CHAT.path, {}, key, 400),
            ("POST", CHAT.path, CHAT.body("sim/http-429"), key, 429),
            ("POST", CHAT.path, CHAT.body(stream=True), key, 200),
            ("POST", MESSAGES.path, MESSAGES.body(stream=True), key, 200),
            ("POST", MESSAGES.path, MESSAGES.body(), key, 200),
        ):
            answer = self.got(path, headers, method, body)
            self.assertEqual(
                (answer.status, answer.headers["access-control-allow-origin"]), (status, "*"), (path, status)
            )

    def test_preflight(self) -> None:
        """A preflight needs no key, has no body, and allows what the page asked for."""
        asked = {"origin": "https://page.test", "access-control-request-method": "POST"}
        answer = self.got(
            MESSAGES.path,
            {**asked, "access-control-request-headers": "x-stainless-os, x-api-key, not valid"},
            "OPTIONS",
        )

        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(answer.headers["access-control-allow-origin"], "*")
        self.assertEqual(answer.headers["access-control-allow-methods"], "GET, POST, DELETE, OPTIONS")
        self.assertEqual(
            answer.headers["access-control-allow-headers"],
            "Authorization, Content-Type, x-api-key, anthropic-version, anthropic-beta, x-stainless-os",
        )

    def test_preflight_of_any_path(self) -> None:
        """A preflight is answered wherever it goes, also where nothing is."""
        for path in ("/v1/models", "/nothing", "*"):
            self.assertEqual(self.got(path, method="OPTIONS").status, 204, path)

    def test_odd_preflight(self) -> None:
        """A preflight that asks for what is no text is answered like any other."""
        request = b"OPTIONS /v1/messages HTTP/1.1\r\nhost: a\r\naccess-control-request-headers: x-a, \xff\r\n\r\n"

        answer = self.daemon().connect().send(request).answer

        self.assertEqual(answer.status, 204)
        self.assertIn("x-a", answer.headers["access-control-allow-headers"])

    def test_stream_headers(self) -> None:
        """A stream tells every cache and buffer on its way to keep out of it."""
        for speech in SPEECHES:
            headers = self.asked(speech, stream=True).headers
            self.assertEqual(headers["content-type"], "text/event-stream")
            self.assertEqual(headers["cache-control"], "no-cache, no-transform")
            self.assertEqual(headers["x-accel-buffering"], "no")

    def test_document_headers(self) -> None:
        """A document has its length and its type."""
        for speech in SPEECHES:
            answer = self.asked(speech)
            self.assertEqual(answer.headers["content-type"], "application/json")
            self.assertEqual(answer.headers["content-length"], str(len(answer.body)))

    def test_request_id(self) -> None:
        """Every exchange has an id of its own, in its header, its answer and its log line; a refused one too."""
        daemon = self.daemon()

        answers = [
            daemon.connect().post(CHAT).answer,
            daemon.connect().post(CHAT, "sim/http-402").answer,
            daemon.connect().ask("POST", CHAT.path, CHAT.body()).answer,
        ]

        ids = [answer.headers["x-request-id"] for answer in answers]
        self.assertEqual(answers[0].document["id"], f"chatcmpl-{ids[0]}")
        self.assertEqual([line.split(" ")[0] for line in daemon.lines], ids)
        self.assertEqual(len(set(ids)), 3)

    def test_given_request_id(self) -> None:
        """An id that the client gave comes back and is logged; the ids of two answers differ all the same."""
        for speech in SPEECHES:
            daemon = self.daemon()
            headers = {"authorization": f"Bearer {KEY}", "x-request-id": "retried-1"}

            answers = [
                daemon.connect().ask("POST", speech.path, speech.body(), headers=headers).answer for _ in range(2)
            ]

            for answer, line in zip(answers, daemon.lines, strict=True):
                self.assertEqual((answer.status, answer.headers["x-request-id"]), (200, "retried-1"))
                self.assertEqual(answer.headers["request-id"], "retried-1")
                self.assertTrue(line.startswith("retried-1 "), line)
            self.assertNotEqual(answers[0].document["id"], answers[1].document["id"])

    def test_created(self) -> None:
        """A chat answer says when it was made, by the daemon's clock."""
        self.assertEqual(self.asked(CHAT).document["created"], NOW)

    def test_keep_alive(self) -> None:
        """A connection serves one request after the other, pipelined ones in order."""
        client = self.daemon().connect()
        request = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"

        client.post(CHAT).post(MESSAGES, stream=True).send(request + request)

        self.assertEqual([answer.status for answer in client.answers], [200] * 4)
        self.assertEqual([answer.body for answer in client.answers[2:]], [b"OK", b"OK"])
        self.assertTrue(client.connected)

    def test_old_http(self) -> None:
        """A client of HTTP/1.0 gets its stream as it is, until the connection closes."""
        body = json.dumps(CHAT.body(stream=True)).encode()
        head = f"POST {CHAT.path} HTTP/1.0\r\nx-api-key: {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"

        client = self.daemon().connect().send(head.encode() + body)

        self.assertNotIn(b"Transfer-Encoding", client.received)
        self.assertTrue(client.received.endswith(b"\n\ndata: [DONE]\n\n"))
        self.assertFalse(client.connected)
