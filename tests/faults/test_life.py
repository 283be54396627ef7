"""Tests of the life of the process: its configuration, its descriptors, its successor, and a start without a network."""

from __future__ import annotations

import json
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.daemons import KEY, DaemonProcess
from tests.web.house import CHAT, MESSAGES

_PATIENCE_SECONDS = 10.0


class LifeTestCase(SynchronousTestCase):
    """A test with daemons in processes of their own."""

    def setUp(self) -> None:
        """A directory to work in."""
        self.directory = Path(self.mktemp())
        self.directory.mkdir()

    def started(self, *arguments: str, **options: object) -> DaemonProcess:
        """A daemon that is ended after the test."""
        daemon = DaemonProcess(self.directory, *arguments, **options)  # type: ignore[arg-type] # as of DaemonProcess
        self.addCleanup(daemon.end)
        return daemon

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it did not come about")
            time.sleep(0.01)

    def ask(self, daemon: DaemonProcess, model: str) -> tuple[int, bytes]:
        """Status and body of a document."""
        connection = daemon.connect()
        connection.request("POST", CHAT.path, json.dumps(CHAT.body(model)), {"authorization": f"Bearer {KEY}"})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, body


class ReloadTests(LifeTestCase):
    """SIGHUP."""

    def write(self, **values: object) -> None:
        """Change the configuration file."""
        (self.directory / "config.json").write_text(json.dumps(values))

    def reload(self, daemon: DaemonProcess, words: str) -> None:
        """Send SIGHUP, and wait for what it makes the daemon say."""
        before = daemon.log.count(words)
        daemon.signal(signal.SIGHUP)
        self.until(lambda: daemon.log.count(words) > before)

    def test_reload(self) -> None:
        """New aliases and limits count from SIGHUP on; a file that cannot be used changes nothing; what needs a restart says so."""
        self.write(modelAliases={"mine": "sim/http-402"})
        daemon = self.started("--simulator")
        before, _ = self.ask(daemon, "mine")

        self.write(modelAliases={"mine": "sim/text"}, maxBodyBytes=1000)
        self.reload(daemon, "was read anew from config.json: modelAliases, maxBodyBytes")
        after, _ = self.ask(daemon, "mine")
        too_large, _ = self.ask(daemon, "mine" + " " * 1000)

        (self.directory / "config.json").write_text('{"modelAliases": {"mine": "sim/http-402"}, "maxBodyBytes": "no"}')
        self.reload(daemon, 'the configuration stays as it was: config.json: field "maxBodyBytes": expected ')
        kept, _ = self.ask(daemon, "mine")

        self.write(modelAliases={"mine": "sim/text"}, maxBodyBytes=1000, port=1)
        self.reload(daemon, "nothing changed")

        self.assertEqual((before, after, too_large, kept), (402, 200, 413, 200))
        self.assertNotIn("Traceback", daemon.log)

    def test_port(self) -> None:
        """A new port takes a restart, and the log says so."""
        daemon = DaemonProcess(self.directory, environ={"CC_API_BASE": "http://127.0.0.1:1"})
        self.addCleanup(daemon.end)

        self.write(apiBase="http://127.0.0.1:2", versionRefreshInterval=7)
        self.reload(daemon, "was read anew from config.json: nothing changed")

        self.assertIn("versionRefreshInterval has changed, which takes a restart; the old value stays", daemon.log)
        self.assertNotIn("apiBase has changed", daemon.log)  # the environment, which wins, says the same as before

    def test_log_file(self) -> None:
        """A log file that was moved away is opened anew, and running answers go on."""
        log = self.directory.resolve() / "own.log"
        daemon = self.started("--simulator", environ={"LOG_FILE": str(log)})
        connection = daemon.connect()
        connection.request("POST", CHAT.path, json.dumps(CHAT.body("sim/slow")), {"authorization": f"Bearer {KEY}"})
        log.rename(self.directory / "old.log")

        self.reload(daemon, "nothing changed")

        self.assertEqual(connection.getresponse().status, 200)
        self.assertIn("nothing changed", log.read_text())


class DescriptorTests(LifeTestCase):
    """File descriptors."""

    def test_raised(self) -> None:
        """The soft limit of the process is raised to what maxConnections takes."""
        daemon = self.started("--simulator")

        soft, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)

        self.assertEqual(soft, min(20_064, hard) if hard != resource.RLIM_INFINITY else 20_064)

    def test_exhaustion(self) -> None:
        """When none is left the log says so once, and with the first free one clients are served again."""
        daemon = self.started("--simulator", environ={"CCPROXY_USE_PROVIDER_MODELS": "false"})
        _, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        few = daemon.descriptors + 4
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (few, hard))
        clients = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(40)]
        self.until(lambda: "no file descriptors left" in daemon.log)

        for client in clients:
            client.close()
        self.until(lambda: daemon.descriptors <= few - 4)
        status, body = self.ask(daemon, "sim/text")

        self.assertEqual(daemon.log.count("no file descriptors left"), 1)
        self.assertNotIn("EMFILE", daemon.log)
        self.assertNotIn("Traceback", daemon.log)
        self.assertEqual(status, 200, body)

    def test_none_for_the_upstream(self) -> None:
        """A request for whose upstream connection there is none is a shaped 502 or 503, and no traceback."""
        daemon = self.started("--simulator", environ={"CCPROXY_USE_PROVIDER_MODELS": "false"})
        _, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        connection = daemon.connect()
        connection.connect()
        self.until(lambda: daemon.log)
        time.sleep(0.1)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (daemon.descriptors, hard))

        connection.request("POST", MESSAGES.path, json.dumps(MESSAGES.body()), {"x-api-key": KEY})
        response = connection.getresponse()

        self.assertIn(response.status, (502, 503))
        self.assertEqual(json.loads(response.read())["type"], "error")
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (daemon.descriptors + 100, hard))
        self.assertEqual(self.ask(daemon, "sim/text")[0], 200)
        self.assertNotIn("Traceback", daemon.log)


class SuccessionTests(LifeTestCase):
    """A daemon that takes over from another under socket activation."""

    def test_no_refused_connection(self) -> None:
        """While one daemon ends and another starts on the socket that systemd keeps, no client is refused and none goes without answer."""
        with socket.create_server(("127.0.0.1", 0), backlog=128) as kept:
            old = self.started("--simulator", inherited=kept)
            statuses: list[int] = []
            problems: list[Exception] = []
            ended = threading.Event()

            def call() -> None:
                while not ended.is_set():
                    try:
                        connection = HTTPConnection("127.0.0.1", old.port, timeout=20)
                        connection.request("GET", "/health", headers={"connection": "close"})
                        statuses.append(connection.getresponse().status)
                        connection.close()
                    except Exception as problem:
                        problems.append(problem)

            callers = [threading.Thread(target=call) for _ in range(2)]
            for caller in callers:
                caller.start()
            self.addCleanup(ended.set)
            running = old.connect()
            body = json.dumps(MESSAGES.body("sim/slow", stream=True))
            running.request("POST", MESSAGES.path, body, {"x-api-key": KEY})
            response = running.getresponse()

            old.signal(signal.SIGTERM)
            status = old.wait()
            between = len(statuses)
            self.started("--simulator", inherited=kept)
            self.until(lambda: len(statuses) > between + 20)
            ended.set()
            for caller in callers:
                caller.join()

        self.assertEqual((status, problems, set(statuses)), (0, [], {200}))
        self.assertTrue(response.read().endswith(b'data: {"type":"message_stop"}\n\n'))


class OfflineTests(LifeTestCase):
    """A start without a network."""

    def test_starts(self) -> None:
        """Where nothing can be reached the daemon starts, and serves its built-in model list."""
        nowhere = "http://127.0.0.1:1/"
        environ = {"CC_API_BASE": nowhere, "CCPROXY_VERSION_URL": nowhere, "CCPROXY_CLI_VERSION": ""}
        daemon = self.started(environ=environ)
        connection = daemon.connect()
        connection.request("GET", "/v1/models")

        models = json.loads(connection.getresponse().read())["data"]
        status, body = self.ask(daemon, "any/model")

        self.assertGreater(len(models), 10)
        self.assertEqual((status, json.loads(body)["error"]["code"]), (502, "upstream_unreachable"))
        self.until(lambda: daemon.log.count("failed and will be tried again") == 2)
        self.assertNotIn("Traceback", daemon.log)
