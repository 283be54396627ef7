"""The registry of upstreams: every server-facing API by its name."""

from ccproxy.upstreams.commandcode.upstream import CommandCode

UPSTREAMS = {"commandcode": CommandCode}
