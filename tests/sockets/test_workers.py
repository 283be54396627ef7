"""Tests of a daemon of several processes, on real sockets and with real signals."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.daemons import KEY, DaemonProcess, is_listening
from tests.dialects.strict import read_chat
from tests.web.house import CHAT

_PATIENCE_SECONDS = 20.0
_BEGINNING = b'{"type":"text-start","id":"0"}\n{"type":"text-delta","id":"0","text":"begun"}\n'
_REST = b'{"type":"text-delta","id":"0","text":" and done"}\n{"type":"text-end","id":"0"}\n{"type":"finish","finishReason":"stop"}\n'


class Upstream(ThreadingHTTPServer):
    """An upstream that remembers sessions, and does not end an answer before it may.

    Attributes:
        sessions: The session of each request, in order.
        may_end: Whether answers may end.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.sessions: list[str] = []
        self.may_end = threading.Event()
        self.may_end.set()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class _Answer(BaseHTTPRequestHandler):
    server: Upstream

    def do_POST(self) -> None:
        """Answer, and close."""
        self.rfile.read(int(self.headers["content-length"]))
        self.server.sessions.append(self.headers["x-session-id"])
        self.send_response(200)
        self.send_header("content-type", "application/x-ndjson")
        self.end_headers()
        self.wfile.write(_BEGINNING)
        self.wfile.flush()
        self.server.may_end.wait(_PATIENCE_SECONDS)
        with contextlib.suppress(ConnectionError):  # the daemon may have gone
            self.wfile.write(_REST)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class WorkersTestCase(SynchronousTestCase):
    """A test with a daemon of two workers."""

    def started(self, *arguments: str, **environ: str) -> DaemonProcess:
        """A daemon whose workers all serve."""
        self.daemon = DaemonProcess(Path(self.mktemp()), "--workers", "2", *arguments, environ=environ)
        self.addCleanup(self.daemon.end)
        self.until(lambda: len(self.serving()) == 2)
        return self.daemon

    def serving(self) -> list[int]:
        """The processes of workers that were said to serve, in order."""
        return [int(pid) for pid in re.findall(r"worker \d of 2 \(pid (\d+)\) serves", self.daemon.log)]

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), deadline, self.daemon.log)
            time.sleep(0.01)

    def asked(self, stream: bool = False) -> HTTPResponse:
        """The answer to a request on a connection of its own."""
        connection = self.daemon.connect()
        self.addCleanup(connection.close)
        body = json.dumps(CHAT.body("any/model", stream=stream))
        connection.request("POST", CHAT.path, body, {"authorization": f"Bearer {KEY}"})
        response = connection.getresponse()
        self.addCleanup(response.close)
        return response

    @contextmanager
    def stopped(self, pid: int) -> Iterator[None]:
        """A process that does nothing for a while."""
        os.kill(pid, signal.SIGSTOP)
        try:
            self.until(lambda: state(pid) == "T")
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def assertGone(self, pids: list[int]) -> None:  # noqa: N802 - as the other assertions
        """These processes are no more."""
        self.until(lambda: not any(state(pid) for pid in pids))


def state(pid: int) -> str:
    """What a process is at, as the system calls it in a letter; empty for one that is no more."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return ""
    return "" if status == "Z" else status


class LifeTests(WorkersTestCase):
    """The life of a daemon of two."""

    def setUp(self) -> None:
        """Start it on an upstream of the test's own."""
        self.upstream = Upstream()
        self.addCleanup(self.upstream.server_close)
        self.addCleanup(self.upstream.shutdown)
        self.addCleanup(self.upstream.may_end.set)
        where = f"http://127.0.0.1:{self.upstream.server_port}"
        self.started(
            "--api-base",
            where,
            "--log-level",
            "debug",
            CCPROXY_USE_PROVIDER_MODELS="false",
            CCPROXY_KEY_CONCURRENCY="1",
        )

    def test_serve(self) -> None:
        """Each of the two serves while the other does nothing, in the same session of a key; when one is killed nobody is refused."""
        before = self.serving()
        for pid in before:
            with self.stopped(pid):
                self.assertEqual(self.asked().status, 200)
        first, second = self.upstream.sessions
        self.assertEqual(first, second)

        with self.callers() as (statuses, problems):
            os.kill(before[0], signal.SIGKILL)
            self.until(lambda: len(self.serving()) == 3)
            after = len(statuses)
            self.until(lambda: len(statuses) > after + 20)

        self.assertEqual(set(statuses), {200})
        self.assertEqual([problem for problem in problems if isinstance(problem, ConnectionRefusedError)], [])
        self.assertLessEqual(len(problems), 2)  # what the killed one had just taken
        self.assertIn(f"(pid {before[0]}) was ended by SIGKILL; another starts in 0.5 s", self.daemon.log)
        self.assertIn("keyConcurrency is 1, but each of 2 workers counts by itself", self.daemon.log)
        self.assertNotIn("environment variable", self.daemon.log)

    def streaming(self) -> HTTPResponse:
        """A stream that has begun and cannot end yet."""
        self.upstream.may_end.clear()
        response = self.asked(stream=True)
        self.until(lambda: self.upstream.sessions)
        return response

    def test_signals(self) -> None:
        """SIGHUP reaches every process; after SIGTERM no client can come, a stream ends whole, and the parent ends after it."""
        response = self.streaming()
        self.daemon.signal(signal.SIGHUP)
        self.until(lambda: self.daemon.log.count("the configuration was read anew") == 3)
        self.assertEqual(
            self.daemon.log.count("info Reloader"), 1
        )  # who read it says so; the workers' lines are for debugging

        self.daemon.signal(signal.SIGTERM)
        self.until(lambda: not is_listening(self.daemon.port))
        self.assertTrue(state(self.daemon.pid))
        self.upstream.may_end.set()

        self.assertEqual(read_chat(response.read()).text, "begun and done")
        self.assertEqual(self.daemon.wait(), 0)
        self.assertGone(self.serving())
        self.assertNotIn("Traceback", self.daemon.log)

    def test_second_signal(self) -> None:
        """A signal that reaches the workers too, as Ctrl-C does, counts once; a second one ends the stream with an error."""
        response = self.streaming()
        for pid in (*self.serving(), self.daemon.pid):
            os.kill(pid, signal.SIGINT)
        self.until(lambda: not is_listening(self.daemon.port))
        self.assertNotIn("at once", self.daemon.log)

        self.daemon.signal(signal.SIGTERM)

        self.assertIn(b"shutting down", response.read())
        self.assertEqual(self.daemon.wait(), 0)

    @contextmanager
    def callers(self) -> Iterator[tuple[list[int], list[Exception]]]:
        """Two clients that keep asking; the statuses and the problems that they met."""
        statuses: list[int] = []
        problems: list[Exception] = []
        ended = threading.Event()

        def call() -> None:
            while not ended.is_set():
                try:
                    connection = HTTPConnection("127.0.0.1", self.daemon.port, timeout=_PATIENCE_SECONDS)
                    connection.request("GET", "/health", headers={"connection": "close"})
                    statuses.append(connection.getresponse().status)
                    connection.close()
                except Exception as problem:
                    problems.append(problem)

        threads = [threading.Thread(target=call) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield statuses, problems
        finally:
            ended.set()
            for thread in threads:
                thread.join()


class OrphanTests(WorkersTestCase):
    """The end of the parent."""

    def test_killed(self) -> None:
        """When the parent is killed its workers end by themselves; nobody listens any more."""
        daemon = self.started("--simulator")
        pids = self.serving()

        daemon.signal(signal.SIGKILL)
        daemon.wait()

        self.assertGone(pids)
        self.assertFalse(is_listening(daemon.port))
        self.assertEqual(daemon.log.count("the parent of this worker is gone"), 2)
