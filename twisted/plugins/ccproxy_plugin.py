"""This module is what twistd finds: the daemon, the simulator of its upstream, and a reactor that does less for each event."""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

ccproxy = ServiceMaker("ccproxy", "ccproxy.service", "Serve OpenAI and Anthropic clients from Command Code.", "ccproxy")
simulator = ServiceMaker(
    "ccproxy-simulator",
    "ccproxy.simulator.service",
    "Simulate the Command Code API, for tests and trials.",
    "ccproxy-simulator",
)
reactor = Reactor("ccproxy", "ccproxy.reactor", "epoll without a logging context for each event, for ccproxy.")
