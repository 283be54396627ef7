"""Tests of deploy/haproxy.cfg: that very file, with other addresses, in front of two daemons in processes of their own."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, UNIXClientEndpoint, connectProtocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ccproxy.simulator.service import SimulatorSite
from tests.daemons import ROOT, DaemonProcess, free_port, is_listening
from tests.dialects.strict import read_chat, read_messages
from tests.sockets.house import Reader, SocketTestCase, request
from tests.web.house import CHAT, KEY, MESSAGES, Answer, answers

FILE = ROOT / "deploy" / "haproxy.cfg"
PAGE = ROOT / "docs" / "scaling.md"
NAMES = ("a", "b")
TEXT = "Hello from the simulator! You said: hello"

_LIFE_SECONDS = 60
_CALLERS = 8
_STREAMS = 40
_ENOUGH = 40  # answers


def installed() -> str:
    """The program.

    Raises:
        SkipTest: There is none.
    """
    program = shutil.which("haproxy") or shutil.which("/usr/sbin/haproxy")
    if program is None:
        raise SkipTest("haproxy is not installed")
    return program


def readdressed(replacements: Mapping[str, str]) -> str:
    """The text of the file, with each of these replaced, where it stands just once."""
    text = FILE.read_text()
    for old, new in replacements.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


class Balancer:
    """HAProxy with the file, on loopback.

    Args:
        directory: Where its configuration and its log go.
        ports: Where the daemons are.
        changes: What else is replaced in the file.

    Attributes:
        port: Where it listens.
        statistics: Where its page of statistics is.
        socket: Where it takes commands.
    """

    def __init__(self, directory: Path, ports: Mapping[str, int], changes: Mapping[str, str] | None = None) -> None:
        directory.mkdir()
        self.port, self.statistics = free_port(), free_port()
        self._log = directory / "haproxy.log"
        self._sockets = tempfile.mkdtemp()  # trial's own are too long for the name of a socket
        self.socket = f"{self._sockets}/admin.sock"
        file = directory / "haproxy.cfg"
        file.write_text(
            readdressed(
                {
                    "    user haproxy\n": "",  # who could not open the socket
                    "    group haproxy\n": "",
                    "/run/haproxy/admin.sock": self.socket,
                    "    bind :3000\n": f"    bind 127.0.0.1:{self.port}\n",
                    "127.0.0.1:8404": f"127.0.0.1:{self.statistics}",
                    "192.0.2.11:3000": f"127.0.0.1:{ports['a']}",
                    "192.0.2.12:3000": f"127.0.0.1:{ports['b']}",
                    **(changes or {}),
                }
            )
        )
        command = ["timeout", str(_LIFE_SECONDS), installed(), "-db", "-f", str(file)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def end(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(_LIFE_SECONDS)
        shutil.rmtree(self._sockets)


class FileTests(SynchronousTestCase):
    """The file by itself."""

    def test_valid(self) -> None:
        """HAProxy has no objection to the file, and no warning."""
        check = subprocess.run(
            [installed(), "-c", "-f", str(FILE)], capture_output=True, text=True, timeout=20, check=False
        )

        self.assertEqual((check.returncode, "WARNING" in check.stderr), (0, False), check.stderr)

    def test_own_errors(self) -> None:
        """What HAProxy says of itself is an error in the shape of either dialect, and says that it is worth a retry."""
        errors = re.findall(
            r"http-error status (\d+) content-type application/json string '(.*?)' (.*)", FILE.read_text()
        )

        self.assertEqual([status for status, _, _ in errors], ["502", "503", "504"])
        for _, body, headers in errors:
            document = json.loads(body)
            self.assertEqual(
                (document["type"], set(document["error"])), ("error", {"type", "message", "param", "code"})
            )
            self.assertIn("hdr retry-after 1 hdr x-should-retry true", headers)


class BalanceTests(SocketTestCase):
    """Two daemons behind HAProxy, on one upstream. The project slug of each, which goes up, tells them apart."""

    async def setUp(self) -> None:  # type: ignore[override] # trial takes a coroutine as well
        """Start them all."""
        installed()
        super().setUp()
        site = SimulatorSite(self.simulator.resource())
        upstream = self.listening(self.reactor.listenTCP(0, site, interface="127.0.0.1"))
        started = await gatherResults(
            [deferToThread(self.start, name, Path(self.mktemp()), upstream) for name in NAMES]
        )
        self.daemons: dict[str, DaemonProcess] = dict(zip(NAMES, started, strict=True))
        for daemon in started:
            self.addCleanup(daemon.end)
        await self.balance()

    async def balance(self, changes: Mapping[str, str] | None = None) -> None:
        """Put HAProxy in front of the daemons, in place of one that may be there."""
        ports = {name: daemon.port for name, daemon in self.daemons.items()}
        self.balancer = balancer = Balancer(Path(self.mktemp()), ports, changes)
        self.addCleanup(balancer.end)
        await self.until(lambda: is_listening(balancer.port) or not balancer.running)
        self.assertTrue(balancer.running, balancer.log)

    def start(self, name: str, directory: Path, upstream: int) -> DaemonProcess:
        """One daemon, on the upstream at this port."""
        environ = {"CC_API_BASE": f"http://127.0.0.1:{upstream}", "CCPROXY_PROJECT_SLUG": name}
        return DaemonProcess(directory, environ=environ)

    def connected(self, port: int) -> Deferred[Any]:
        """A client of the port, when it is connected."""
        connected: Deferred[Any] = connectProtocol(TCP4ClientEndpoint(self.reactor, "127.0.0.1", port), Reader())
        return connected

    async def asking(self, data: bytes) -> Reader:
        """A client of the balancer that has sent a request."""
        reader: Reader = await self.connected(self.balancer.port)
        reader.transport.write(data)  # type: ignore[union-attr] # it is connected
        self.addCleanup(reader.transport.abortConnection)  # type: ignore[union-attr]
        return reader

    async def answer(self, data: bytes) -> Answer:
        """The whole answer to a request."""
        (answer,) = answers(await self.answered(self.connected(self.balancer.port), data))
        self.assertTrue(answer.complete, "an answer that breaks off")
        return answer

    async def servers(self) -> dict[str, dict[str, str]]:
        """What the page of statistics says of each daemon."""
        asked = b"GET /;csv HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        page = await self.answered(self.connected(self.balancer.statistics), asked)
        (answer,) = answers(page)
        rows = csv.DictReader(answer.body.decode().removeprefix("# ").splitlines())
        return {row["svname"]: row for row in rows if row["pxname"] == "daemons"}

    async def command(self, words: str) -> bytes:
        """What HAProxy says to a command on its socket."""
        connected = connectProtocol(UNIXClientEndpoint(self.reactor, self.balancer.socket), Reader())
        return await self.answered(connected, f"{words}\n".encode())

    async def streams(self) -> list[Reader]:
        """Clients of both daemons whose streams have begun."""
        streams = [await self.asking(request(MESSAGES, "sim/slow", stream=True)) for _ in range(10)]
        await self.until(lambda: all(b"content_block_delta" in stream.data for stream in streams))
        self.assertEqual({asked.headers["x-project-slug"] for asked in self.simulator.requests}, set(NAMES))
        return streams

    async def assert_whole(self, streams: list[Reader]) -> None:
        """None of the streams is cut."""
        await self.until(lambda: all(stream.lost for stream in streams))
        for stream in streams:
            (answer,) = answers(stream.data)
            reading = read_messages(answer.body)
            text = "".join(block["text"] for block in reading.blocks)
            self.assertEqual((answer.complete, reading.stop_reason, text), (True, "end_turn", TEXT))

    async def test_even(self) -> None:
        """Load is even, a key has the same session upstream whichever daemon it comes to, and no log line has the key."""
        keys = [f"user_canary_{number}" for number in range(2)]
        for number in range(_STREAMS):
            key = keys[number // 2 % 2]
            await self.asking(request(CHAT, "sim/stall", stream=True).replace(KEY.encode(), key.encode()))
        await self.until(lambda: self.simulator.open_streams == _STREAMS)
        await self.answer(request(CHAT).replace(KEY.encode(), keys[0].encode()))

        *held, _ = [
            (asked.key, asked.headers["x-session-id"], asked.headers["x-project-slug"])
            for asked in self.simulator.requests
        ]
        load = Counter(name for _, _, name in held)
        self.assertLessEqual(abs(load["a"] - load["b"]), 4, load)
        self.assertEqual(len({(key, session) for key, session, _ in held}), len(keys))
        # How many daemons each key came to; chance may send all of one key to one only.
        met = Counter(key for key, _, _ in set(held))
        self.assertIn(len(NAMES), met.values())
        await self.until(lambda: " 200 " in self.balancer.log)
        self.assertNotIn("canary", self.balancer.log)

    async def test_request_id(self) -> None:
        """A request has one id in the answer and in both logs: the client's own, unless it looks like a key."""
        mine, key = b"x-request-id: mine-1\r\n", b"x-request-id: user_canary\r\n"
        named, unnamed = [await self.answer(request(CHAT).replace(b"host:", given + b"host:")) for given in (mine, key)]

        ids = [named.headers["x-request-id"], unnamed.headers["x-request-id"]]
        logs = self.daemons["a"].log + self.daemons["b"].log
        await self.until(lambda: all(f"id={name}" in self.balancer.log for name in ids))
        self.assertEqual((ids[0], [name in logs for name in ids]), ("mine-1", [True, True]))
        self.assertNotIn("canary", self.balancer.log + logs)

    async def test_by_key(self) -> None:
        """With the lines that docs/scaling.md shows, a key comes to one daemon, however it is sent, and is not logged."""
        (lines,) = re.findall(r"```haproxy\n(.*?)```", PAGE.read_text(), re.DOTALL)
        await self.balance({"    balance leastconn\n": lines})
        before = len(self.simulator.requests)
        keys = [f"user_canary_{number}" for number in range(8)]

        for key in keys:
            for how in (f"authorization: Bearer {key}", f"x-api-key: {key}", f"authorization: Bearer {key}"):
                answer = await self.answer(request(CHAT).replace(f"authorization: Bearer {KEY}".encode(), how.encode()))
                self.assertEqual(answer.status, 200)

        asked = list(self.simulator.requests)[before:]
        places = [(seen.key, seen.headers["x-project-slug"]) for seen in asked]
        self.assertEqual(len(set(places)), len(keys))
        self.assertEqual({name for _, name in places}, set(NAMES))
        self.assertNotIn("canary", self.balancer.log)

    async def test_client_leaves(self) -> None:
        """A client that leaves while its document is awaited stops the upstream at once."""
        reader = await self.asking(request(CHAT, "sim/stall"))
        await self.until(lambda: self.simulator.open_streams)

        reader.transport.loseConnection()  # type: ignore[union-attr] # it is connected

        await self.until(lambda: self.simulator.closed_early)

    async def test_drained(self) -> None:
        """A daemon that is drained and then ended cuts no stream and refuses no request."""
        streams = await self.streams()
        statuses: Counter[int] = Counter()
        running: set[object] = set()
        ended = False

        async def call() -> None:
            while not ended:
                running.add(this := object())
                answer = await self.answer(request(CHAT, stream=True))
                running.remove(this)
                self.assertEqual(read_chat(answer.body).text, TEXT)
                statuses[answer.status] += 1

        callers = gatherResults([Deferred.fromCoroutine(call()) for _ in range(_CALLERS)])
        await self.until(lambda: statuses.total() > _ENOUGH)
        self.assertEqual(await self.command("set server daemons/a state drain"), b"\n")
        before = set(running)
        await self.until(lambda: not before & running)
        self.daemons["a"].signal(signal.SIGTERM)
        status = await deferToThread(self.daemons["a"].wait)
        enough = statuses.total() + _ENOUGH
        await self.until(lambda: statuses.total() > enough)
        ended = True
        await callers

        self.assertEqual((status, set(statuses)), (0, {200}))
        await self.assert_whole(streams)

    async def test_stopped(self) -> None:
        """A daemon that is just told to stop cuts no stream; connections that it refuses go to the other one, and checks take it out."""
        streams = await self.streams()

        self.daemons["a"].signal(signal.SIGTERM)
        await self.until(lambda: not is_listening(self.daemons["a"].port))
        calls = [Deferred.fromCoroutine(self.answer(request(CHAT))) for _ in range(_CALLERS)]
        asked = await gatherResults(calls)

        self.assertEqual({answer.status for answer in asked}, {200})
        await self.assert_whole(streams)
        self.assertEqual(await deferToThread(self.daemons["a"].wait), 0)
        servers = await self.servers()
        self.assertEqual([servers[name]["status"] for name in NAMES], ["DOWN", "UP"])
