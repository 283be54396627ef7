"""This module is what twistd finds: the daemon, and the simulator of its upstream."""

from twisted.application.service import ServiceMaker

ccproxy = ServiceMaker("ccproxy", "ccproxy.service", "Serve OpenAI and Anthropic clients from Command Code.", "ccproxy")
simulator = ServiceMaker(
    "ccproxy-simulator",
    "ccproxy.simulator.service",
    "Simulate the Command Code API, for tests and trials.",
    "ccproxy-simulator",
)
