"""Tests of the daemon's command line, and of how it is put together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from twisted.application.service import Application, IService, IServiceCollection, MultiService, loadApplication
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ccproxy import __version__
from ccproxy.config import Config, settings
from ccproxy.daemon import ProxyDaemon
from ccproxy.descriptors import Exhaustion
from ccproxy.errors import ProxyError
from ccproxy.options import Options
from ccproxy.service import assemble, endpoints, makeService, upkeep
from ccproxy.startup import StartupError
from ccproxy.store import opening
from ccproxy.upkeep.periodic import Periodic
from ccproxy.web.drain import Drain
from tests.web.agents import Mute

ROOT = Path(__file__).parent.parent


class ServiceTestCase(SynchronousTestCase):
    """A test in an environment that says nothing."""

    environ: ClassVar[dict[str, str]] = {}

    def setUp(self) -> None:
        """Forget the environment, and work where no configuration file is."""
        self.patch(os, "environ", dict(self.environ))
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.addCleanup(os.chdir, Path.cwd())
        os.chdir(self.directory)

    def options(self, *arguments: str) -> Options:
        """Options as the command line gives them."""
        options = Options()
        options.parseOptions(list(arguments))
        return options

    def refused(self, *arguments: str) -> str:
        """The line with which the daemon does not start."""
        problem = self.assertRaises(StartupError, makeService, self.options(*arguments))
        line = problem.code
        assert isinstance(line, str)
        self.assertNotIn("\n", line)
        return line


class OptionsTests(ServiceTestCase):
    """What the command line says."""

    def test_nothing_given(self) -> None:
        """Without options nothing is given, so that weaker sources count."""
        self.assertEqual(set(self.options().settings().values()), {None})

    def test_given(self) -> None:
        """What was given is found under the attribute of its setting."""
        given = self.options(
            "--port", "3050", "--api-base=https://api.test", "--simulator", "--log-level", "warn"
        ).settings()

        self.assertEqual(
            {name: value for name, value in given.items() if value is not None},
            {"port": "3050", "api_base": "https://api.test", "simulator": True, "log_level": "warn"},
        )
        self.assertLessEqual(given.keys(), {setting.attribute for setting in settings()})

    def test_listen_repeats(self) -> None:
        """``--listen`` may be repeated, and each process of parsing begins anew."""
        self.assertEqual(
            self.options("--listen", "tcp:1", "--listen", "unix:x").settings()["listen"], ("tcp:1", "unix:x")
        )
        self.assertIsNone(self.options().settings()["listen"])

    def test_unknown(self) -> None:
        """An unknown option is a usage error."""
        self.assertRaises(UsageError, self.options, "--prot", "3000")

    def test_help(self) -> None:
        """The help explains each option, with its default."""
        text = " ".join(str(self.options()).split())

        offered = [setting for setting in settings() if setting.attribute in self.options().settings()]
        for setting in offered:
            self.assertIn(setting.option, text)
        for words in (
            "--port= port to listen on",
            "[default: 3000]",
            "--api-base= where the upstream is",
            "[default: https://api.commandcode.ai]",
            "--config= The configuration file",
            "--listen= A Twisted endpoint",
        ):
            self.assertIn(words, text)


class EndpointsTests(SynchronousTestCase):
    """Where the daemon listens."""

    def test_default(self) -> None:
        """By default on port 3000 of every interface."""
        self.assertEqual(endpoints(Config()), ("tcp:3000:interface=0.0.0.0:backlog=1024",))

    def test_host_and_port(self) -> None:
        """Host and port are one TCP endpoint; an address with colons is quoted."""
        self.assertEqual(endpoints(Config(host="::1", port=3050)), (r"tcp:3050:interface=\:\:1:backlog=1024",))

    def test_listen(self) -> None:
        """Named endpoints replace host and port."""
        named = ("tcp:1", "unix:x:mode=600", "tcp6:2:backlog=5", "systemd:domain=INET:name=http")

        self.assertEqual(
            endpoints(Config(listen=named)),
            ("tcp:1:backlog=1024", "unix:x:mode=600:backlog=1024", "tcp6:2:backlog=5", "systemd:domain=INET:name=http"),
        )


class MakeServiceTests(ServiceTestCase):
    """What becomes of a command line."""

    def children(self, service: IService, kind: type[Any]) -> Sequence[Any]:
        """The parts of a service that are of one kind."""
        return [child for child in IServiceCollection(service) if isinstance(child, kind)]

    def test_service(self) -> None:
        """The daemon is a service: one port, three jobs, and the drain."""
        service = makeService(self.options())

        self.assertTrue(verifyObject(IService, service))
        self.assertEqual(len(self.children(service, Drain)), 1)
        self.assertEqual(
            [job.name for job in self.children(service, Periodic)], ["session rotation", "model list", "client version"]
        )
        self.assertEqual(len(list(IServiceCollection(service))), 6)

    def test_ports(self) -> None:
        """Each endpoint is a port of its own."""
        service = makeService(self.options("--listen", "tcp:0:interface=127.0.0.1", "--listen", "unix:socket"))

        self.assertEqual(len(list(IServiceCollection(service))), 7)

    def test_sources(self) -> None:
        """The file is read, and options win over it."""
        Path("config.json").write_text('{"cliVersion": "1.2.3", "useProviderModels": false, "port": 1}')

        service = makeService(self.options("--port", "0"))

        self.assertEqual([job.name for job in self.children(service, Periodic)], ["session rotation", "client version"])

    def test_observer(self) -> None:
        """The daemon brings its own log observer to the application."""
        application = Application("ccproxy")

        makeService(self.options("--log-format", "json")).setServiceParent(application)

        self.assertIsInstance(application.getComponent(ILogObserver), Exhaustion)

    def test_under_another_service(self) -> None:
        """Under a parent that is no application it is a service like any other."""
        parent = MultiService()

        service = makeService(self.options())
        service.setServiceParent(parent)

        self.assertEqual(list(parent), [service])

    def test_log_file(self) -> None:
        """The log file is opened at once, for its owner only."""
        self.patch(os, "environ", {"LOG_FILE": "daemon.log"})

        makeService(self.options())

        self.assertEqual(Path("daemon.log").stat().st_mode & 0o777, 0o600)


class RefusalTests(ServiceTestCase):
    """Configurations with which the daemon does not start: one line says why."""

    def test_store_without_its_client(self) -> None:
        """A Redis to which nothing here can speak is a line at the start, for one process and for the parent of several."""
        self.patch(opening, "find_spec", lambda name: None)
        os.environ["CCPROXY_STORE_URL"] = "redis://:hidden@127.0.0.1"

        for workers in ("1", "2"):
            os.environ["CCPROXY_WORKERS"] = workers
            line = self.refused()
            self.assertIn("twisted-ccproxy[redis]", line)
            self.assertNotIn("hidden", line)

    def test_bad_option(self) -> None:
        """A bad value of an option is named with its option."""
        self.assertRegex(self.refused("--port", "http"), '^ccproxy: option --port: expected .*, got "http"$')

    def test_bad_environment(self) -> None:
        """A bad value in the environment is named with its variable."""
        self.patch(os, "environ", {"CCPROXY_STRICT": "perhaps"})

        self.assertIn("environment variable CCPROXY_STRICT", self.refused())

    def test_bad_file(self) -> None:
        """An unknown key of the file is named with the nearest known one."""
        Path("config.json").write_text('{"prot": 3000}')

        self.assertEqual(self.refused(), 'ccproxy: config.json: field "prot": unknown, the nearest known one is "port"')

    def test_missing_file(self) -> None:
        """A file that was named has to be there."""
        self.assertIn("nowhere.json: cannot be read", self.refused("--config", "nowhere.json"))

    def test_bad_endpoint(self) -> None:
        """An endpoint that does not exist is named."""
        self.assertIn("option --listen", self.refused("--listen", "carrier-pigeon:3000"))
        self.assertIn("cannot listen on 'tcp:http:", self.refused("--listen", "tcp:http"))

    def test_bad_log_file(self) -> None:
        """A log file that cannot be opened is named."""
        self.patch(os, "environ", {"LOG_FILE": "nowhere/at/all.log"})

        self.assertIn("the log file cannot be opened", self.refused())


class UpkeepTests(SynchronousTestCase):
    """The jobs that keep a house fresh."""

    def names(self, **settings: Any) -> list[str]:
        """The jobs of a configuration."""
        house, _, _ = assemble(Config(**settings), Mute(), Clock())
        return [str(job.name) for job in upkeep(house)]

    def test_built_in_models(self) -> None:
        """Without the live list nothing is fetched for it."""
        self.assertEqual(self.names(use_provider_models=False), ["session rotation", "client version"])


class ReconfigureTests(SynchronousTestCase):
    """Other settings for a house that is at work."""

    def test_everywhere(self) -> None:
        """Every part that keeps a setting of its own gets the new one."""
        assembly = assemble(Config(cli_version="1.2.3"), Mute(), Clock())
        before = assembly.house.upstream

        assembly.reconfigure(Config(refresh_timeout=3, max_exchanges=1, client_idle_timeout=7, project_slug="other"))

        house = assembly.house
        self.assertEqual((house.config.project_slug, assembly.site.config.project_slug), ("other", "other"))
        self.assertEqual((house.catalog.timeout, house.release.timeout, house.release.pinned), (3, 3, ""))
        self.assertEqual(assembly.site.timeOut, 7)
        self.assertIsNot(house.upstream, before)
        self.assertIs(house.catalog.upstream, house.upstream)
        self.successResultOf(Deferred.fromCoroutine(house.admission.enter("a")))
        self.failureResultOf(Deferred.fromCoroutine(house.admission.enter("b")), ProxyError)


class CommandTests(SynchronousTestCase):
    """The programs that users start."""

    def ran(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """What twistd says, in an empty directory."""
        directory = Path(self.mktemp())
        directory.mkdir()
        return subprocess.run(
            [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", *arguments],
            cwd=directory,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def test_plugins(self) -> None:
        """``twistd --help`` lists the daemon and the simulator."""
        listing = self.ran("--help").stdout

        self.assertRegex(listing, r"\n +ccproxy +Serve OpenAI and Anthropic clients")
        self.assertRegex(listing, r"\n +ccproxy-simulator +Simulate the Command Code API")

    def test_version(self) -> None:
        """``twistd ccproxy --version`` says the version of the daemon."""
        self.assertEqual(self.ran("ccproxy", "--version").stdout, f"ccproxy {__version__}\n")

    def test_bad_configuration(self) -> None:
        """With a bad configuration the daemon says one line, and its status is not 0."""
        process = self.ran("-n", "ccproxy", CCPROXY_PORT="http")

        self.assertEqual((process.returncode, process.stdout), (1, ""))
        self.assertRegex(process.stderr, r'\Accproxy: environment variable CCPROXY_PORT: expected .*, got "http"\n\Z')


class TacTests(ServiceTestCase):
    """The daemon as a supervisor starts it."""

    def test_loads(self) -> None:
        """The tac file is an application whose one service is the daemon."""
        application = loadApplication(str(ROOT / "ccproxy.tac"), "python")

        (service,) = IServiceCollection(application)
        self.assertIsInstance(service, ProxyDaemon)
