"""This module is the daemon, wired together: the only place that knows every room of the house."""

from __future__ import annotations

import os
import random
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from attrs import evolve
from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import IService, MultiService
from twisted.internet.endpoints import AdoptedStreamServerEndpoint, quoteStringArgument
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.web.iweb import IAgent

from ccproxy import orders
from ccproxy.beginning import Start, begin, greet
from ccproxy.codecs import Upstream
from ccproxy.config import Config
from ccproxy.daemon import ProxyDaemon
from ccproxy.descriptors import fitting
from ccproxy.dialects import DIALECTS
from ccproxy.garbage import Calm
from ccproxy.inheritance import Lender, heirs
from ccproxy.loading import Loaded, load
from ccproxy.net.agent import UpstreamAgent
from ccproxy.net.client import UpstreamClient
from ccproxy.net.standard import StandardAgent
from ccproxy.options import Options
from ccproxy.reloading import Reloader
from ccproxy.shares import excesses, separations, share
from ccproxy.simulator.app import Simulator
from ccproxy.simulator.service import SimulatorSite
from ccproxy.startup import listening
from ccproxy.store.opening import open_store, require
from ccproxy.tokens import Tokens
from ccproxy.upkeep.catalog import Catalog
from ccproxy.upkeep.periodic import Periodic
from ccproxy.upkeep.release import FALLBACK_VERSION, Release
from ccproxy.upkeep.sessions import Sessions
from ccproxy.upstreams import UPSTREAMS
from ccproxy.web.admission import Admission
from ccproxy.web.app import App
from ccproxy.web.background import Background, Live
from ccproxy.web.drain import Drain
from ccproxy.web.house import House
from ccproxy.web.keeping import Keeping
from ccproxy.web.offload import Offload, ReadingRoom, at_once
from ccproxy.web.site import ProxySite
from ccproxy.workers import Workers

_BACKLOG = 1024  # of connections that wait to be accepted; with 50, the default, a burst waits for seconds
_ROTATION_SECONDS = 600.0  # how often sessions whose time is over are forgotten
_log = Logger()

AGENTS: dict[str, type[UpstreamAgent] | type[StandardAgent]] = {"httptools": UpstreamAgent, "twisted": StandardAgent}
"""What speaks HTTP to the upstream, by the value of ``upstreamClient``."""


class Assembly(NamedTuple):
    """A wired house, its routes, and the factory of its client connections."""

    house: House
    app: App
    site: ProxySite

    def reconfigure(self, config: Config) -> None:
        """Put other settings to work, for what begins from now on."""
        house = self.house
        house.config = config
        house.upstream = house.catalog.upstream = codec(config)
        house.admission.limit(**caps(config))
        house.catalog.timeout = house.release.timeout = config.refresh_timeout
        house.release.pinned = config.cli_version
        self.site.configure(config)


def assemble(config: Config, agent: IAgent, reactor: Any, offload: Offload = at_once) -> Assembly:  # noqa: ANN401 - many interfaces
    """Wire the rooms together; nothing listens or runs yet.

    Args:
        config: The settings.
        agent: What opens connections.
        reactor: The clock, and where connections are accepted.
        offload: Where large requests are read.
    """
    upstream = codec(config)
    client = UpstreamClient(agent, reactor)
    release = Release(
        client,
        url=config.version_url,
        pinned=config.cli_version,
        max_age=config.version_refresh_interval,
        timeout=config.refresh_timeout,
        clock=reactor,
    )
    catalog = Catalog(
        client,
        upstream,
        live=config.use_provider_models,
        max_age=config.model_refresh_interval_ms / 1000,
        timeout=config.refresh_timeout,
        clock=reactor,
    )
    admission = Admission(**caps(config), clock=reactor)
    store = open_store(config.store_url, limit=config.store_bytes, seconds=config.store_seconds, reactor=reactor)
    keeping = Keeping(store, offload)
    live: set[Live] = set()
    sessions = Sessions()
    house = House(
        config=config,
        upstream=upstream,
        client=client,
        sessions=sessions,
        release=release,
        catalog=catalog,
        admission=admission,
        keeping=keeping,
        background=Background(keeping, live, reactor),
        live=live,
        clock=reactor,
        token=Tokens(),
        random=random.random,
        dialects=DIALECTS,
        offload=offload,
    )
    app = App(house)
    return Assembly(house, app, ProxySite(app.resource(), config, app.refusal, app.objection, reactor))


def codec(config: Config) -> Upstream:
    """The codec towards the upstream."""
    return UPSTREAMS["commandcode"](
        api_base=config.api_base,
        project_slug=config.project_slug,
        user_agent=config.user_agent,
        environment=sys.platform,
        zero_data_retention=config.zero_data_retention,
        line_limit=config.max_line_bytes,
    )


def caps(config: Config) -> dict[str, int]:
    """How many exchanges there may be, as `Admission` calls it."""
    return {
        "most": config.max_exchanges,
        "most_per_key": config.max_exchanges_per_key,
        "running_per_key": config.key_concurrency,
    }


def upkeep(house: House) -> Iterator[Periodic]:
    """The jobs that keep a house fresh; intervals are stretched a little, so that daemons that start together do not ask together."""
    config, clock = house.config, house.clock

    async def rotate() -> None:
        house.sessions.rotate(clock.seconds())

    def stretched(seconds: float) -> float:
        return seconds * (1 + house.random() / 10)

    yield Periodic("session rotation", rotate, _ROTATION_SECONDS, clock)
    if config.use_provider_models:
        yield Periodic("model list", house.catalog.refresh, stretched(config.model_refresh_interval_ms / 1000), clock)
    yield Periodic("client version", house.release.refresh, stretched(config.version_refresh_interval), clock)


def embed_simulator(daemon: MultiService, reactor: Any) -> Callable[[Config], Config]:  # noqa: ANN401 - many interfaces
    """Start a simulator beside the daemon, on a loopback port that the system chooses; gives what points a configuration at it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        taken.setblocking(False)
        endpoint = AdoptedStreamServerEndpoint(reactor, os.dup(taken.fileno()), socket.AF_INET)
        port = taken.getsockname()[1]
    site = SimulatorSite(Simulator(reactor, remember=0).resource())
    StreamServerEndpointService(endpoint, site).setServiceParent(daemon)

    def pointed(config: Config) -> Config:
        return evolve(config, api_base=f"http://127.0.0.1:{port}", cli_version=config.cli_version or FALLBACK_VERSION)

    return pointed


def endpoints(config: Config) -> Sequence[str]:
    """Where to listen: the endpoints that were named, or else host and port."""
    named = tuple(_with_backlog(description) for description in config.listen)
    return named or (f"tcp:{config.port}:interface={quoteStringArgument(config.host)}:backlog={_BACKLOG}",)


def _with_backlog(description: str) -> str:
    kind, _, _ = description.partition(":")
    missing = kind in ("tcp", "tcp6", "unix") and ":backlog=" not in description
    return f"{description}:backlog={_BACKLOG}" if missing else description


def makeService(options: Options) -> IService:
    """Build the daemon that options, environment and file describe: one process, or the parent of several, or one of these.

    Raises:
        StartupError: One of them is wrong; the line says which, and where.
    """
    from twisted.internet import reactor as running

    reactor: Any = running
    told = orders.letter(os.environ)
    if told is not None:
        return worker(told, reactor)

    def read() -> Loaded:
        loaded = load(path=options["config"], environ=os.environ, options=options.settings())
        require(loaded.config.store_url)
        return evolve(loaded, warnings=(*loaded.warnings, *excesses(loaded.config), *separations(loaded.config)))

    start = begin(read, greet, reactor)
    if start.loaded.config.workers > 1:
        hire(start, reactor)
    else:
        serve(start, [(endpoint, reactor) for endpoint in endpoints(start.loaded.config)], reactor)
    return start.daemon


def serve(start: Start, places: Iterable[tuple[str, Any]], reactor: Any, workers: int = 1) -> None:  # noqa: ANN401 - many interfaces
    """Put everything into a process that serves.

    Args:
        start: What it begins with.
        places: The endpoints to listen on, each with what opens its port.
        reactor: Everything else.
        workers: How many processes share the limits.
    """
    daemon = start.daemon
    pointed = embed_simulator(daemon, reactor) if start.loaded.config.simulator else lambda config: config

    def fit(config: Config) -> Config:
        return pointed(fitting(share(config, workers)))

    config = fit(start.loaded.config)
    agent = AGENTS[config.upstream_client](reactor, connect_timeout=config.connect_timeout)
    assembly = assemble(config, agent, reactor, ReadingRoom(reactor))
    house, site = assembly.house, assembly.site
    jobs = list(upkeep(house))
    drain = Drain(site, house, config.shutdown_grace, agent.close)
    for part in (*jobs, drain, Calm(), *(listening(endpoint, site, opener) for endpoint, opener in places)):
        part.setServiceParent(daemon)

    def apply(config: Config) -> None:
        config = fit(config)
        assembly.reconfigure(config)
        agent.connect_timeout, drain.grace = config.connect_timeout, config.shutdown_grace
        for job in jobs:
            job.hasten()

    daemon.reload = Reloader(start.read, start.loaded, start.observer, apply, quiet=workers > 1).reload
    daemon.hurry = drain.hurry


def hire(start: Start, reactor: Any) -> None:  # noqa: ANN401 - many interfaces
    """Put everything into a process whose workers serve."""
    nobody = Factory()
    nobody.noisy = False
    lenders = []
    for endpoint in endpoints(start.loaded.config):
        lenders.append(Lender(reactor, endpoint))
        listening(endpoint, nobody, lenders[-1]).setServiceParent(start.daemon)
    workers = Workers(start.loaded, lenders, reactor)
    workers.setServiceParent(start.daemon)
    reloader = Reloader(start.read, start.loaded, start.observer, workers.take)

    def reload() -> None:
        reloader.reload()
        workers.reload()

    start.daemon.reload = reload
    start.daemon.hurry = workers.hurry


def worker(told: orders.Letter, reactor: Any) -> ProxyDaemon:  # noqa: ANN401 - many interfaces
    """Build one process of several."""
    ear = orders.Ear(told, reactor)
    start = begin(ear.loaded, lambda loaded: _log.info("{worker} serves", worker=told.name(os.getpid())), reactor)
    serve(start, heirs(told.lent, reactor), reactor, told.workers)
    daemon = start.daemon
    ear.deeds = {"reload": daemon.reload, "stop": partial(daemon.end, 1), "hurry": partial(daemon.end, 2)}
    reactor.callWhenRunning(ear.listen)
    return daemon
