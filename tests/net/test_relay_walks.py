"""This module is the tests of what a relay never does, whatever happens to it and in whatever order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseFailed
from twisted.web.http import PotentialDataLoss
from typing_extensions import override

from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Finished
from ccproxy.net.deadline import ClientStalledError
from tests.net.relaying import (
    ENDED,
    ERROR,
    FINISH,
    HELLO,
    QUIET,
    STEP_FINISH,
    TEXT_END,
    TEXT_START,
    THOUGHT,
    WORLD,
    Scene,
    closed,
    draining,
    held,
    opening,
    streaming,
)
from tests.unmeasured import Unmeasured

_RECORDS = (QUIET, THOUGHT, TEXT_START, HELLO, WORLD, TEXT_END, STEP_FINISH, FINISH, ERROR, b"{broken}\n", b'{"half')
_ENDS = (ENDED, Failure(PotentialDataLoss()), Failure(ResponseFailed([Failure(ConnectionError())])))
_GOING_DOWN = ProxyError(Kind.OVERLOADED, "The proxy goes down.")

HAPPENINGS: Mapping[str, Callable[[Scene], object]] = {
    "output": lambda scene: scene.say(WORLD),
    "finish": lambda scene: scene.say(FINISH),
    "failure": lambda scene: scene.say(ERROR),
    "hold": lambda scene: scene.relay.pauseProducing(),
    "release": lambda scene: scene.relay.resumeProducing(),
    "leave": lambda scene: scene.relay.stopProducing(),
    "silence": lambda scene: scene.relay.silent(30),
    "end": lambda scene: scene.lose(ENDED),
    "abandon": lambda scene: scene.relay.abandon(_GOING_DOWN),
}

IGNORED: tuple[tuple[Callable[[], Scene], tuple[str, ...]], ...] = (
    (opening, ("hold", "release")),
    (streaming, ("release",)),
    (held, ("hold",)),
    (draining, ("output", "finish", "failure", "hold", "release", "leave")),
    (closed, tuple(HAPPENINGS)),
)


def seen(scene: Scene) -> tuple[object, ...]:
    """Whatever the world can see of a relay."""
    return (
        list(scene.client.writes),
        scene.client.producer,
        scene.upstream.state,
        scene.upstream.stops,
        list(scene.outcomes),
        [call.getTime() for call in scene.clock.getDelayedCalls()],
    )


class IgnoredTests(SynchronousTestCase):
    """What stands in no row of the table."""

    def test_what_stands_in_no_row_is_ignored(self) -> None:
        """An event that has no row in a state changes nothing that anybody could see."""
        for state, ignored in IGNORED:
            for happening in ignored:
                scene = state()
                before = seen(scene)

                HAPPENINGS[happening](scene)

                self.assertEqual(seen(scene), before, f"{happening} while {state.__name__}")


class Walk(RuleBasedStateMachine):
    """One answer to which anything may happen that can happen in the world."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene()
        self.scene.connect()
        self.left = False
        self.cancelled = False

    @rule(records=st.lists(st.sampled_from(_RECORDS), min_size=1, max_size=4), slow=st.booleans())
    @precondition(lambda self: not self.scene.upstream.ended)
    def upstream_says(self, records: list[bytes], slow: bool) -> None:
        """One read makes one write at most, and an error frame after it."""
        before = len(self.scene.client.writes)
        self.scene.client.slow = slow

        self.scene.say(*records)

        self.scene.client.slow = False
        written = self.scene.client.writes[before:]
        frames = [part for part in written if part.startswith(b'data: {"error"')]
        assert len(written) - len(frames) <= 1 and len(frames) <= 1

    @rule(reason=st.sampled_from(_ENDS))
    @precondition(lambda self: not self.scene.upstream.ended)
    def upstream_ends(self, reason: Failure) -> None:
        """The body ends well or badly."""
        self.scene.lose(reason)

    @rule()
    @precondition(lambda self: self.scene.client.producer is not None)
    def client_falls_behind(self) -> None:
        """The client's buffer is full."""
        self.scene.relay.pauseProducing()

    @rule()
    @precondition(lambda self: self.scene.client.producer is not None)
    def client_catches_up(self) -> None:
        """The client's buffer is empty."""
        self.scene.relay.resumeProducing()

    @rule()
    @precondition(lambda self: not self.scene.client.finished)
    def client_leaves(self) -> None:
        """The client's socket closes."""
        self.left = True
        self.scene.client.leave()

    @rule()
    def exchange_is_cancelled(self) -> None:
        """The client's socket closed, says the other witness."""
        self.cancelled = self.cancelled or not self.scene.outcomes
        self.scene.relay.done.cancel()

    @rule()
    def daemon_gives_up(self) -> None:
        """The daemon goes down."""
        self.scene.relay.abandon(_GOING_DOWN)

    @rule(seconds=st.sampled_from((0.5, 1, 29, 30, 300, 900)))
    def time_passes(self, seconds: float) -> None:
        """Nothing else happens for some seconds."""
        self.scene.clock.advance(seconds)

    @invariant()
    def ends_once(self) -> None:
        """There is one outcome at most, and the client's response is over with it."""
        assert len(self.scene.outcomes) <= 1
        assert not self.scene.outcomes or self.scene.client.producer is None or self.cancelled

    @invariant()
    def stops_the_upstream_once(self) -> None:
        """The upstream is stopped once at most, and never while the answer is open."""
        assert self.scene.upstream.stops <= 1
        if not self.scene.outcomes and not self.left:
            assert self.scene.upstream.stops == 0

    @invariant()
    def leaves_nobody_behind(self) -> None:
        """An answer that is over has no timer, but for that of the drain; otherwise its upstream was stopped or has ended."""
        over = bool(self.scene.outcomes) or self.left
        done_well = bool(self.scene.outcomes) and isinstance(self.scene.outcomes[0], Finished)
        if over and not done_well:
            assert self.scene.timers() == 0
            assert self.scene.upstream.ended or self.scene.upstream.state == "stopped"
        if done_well and not self.scene.upstream.ended:
            assert self.scene.timers() == (1 if self.scene.upstream.state == "producing" else 0)

    @invariant()
    def tells_the_truth(self) -> None:
        """A finish and a ``[DONE]`` go together, and neither a client that left nor one that stalled is told anything more."""
        done_well = bool(self.scene.outcomes) and isinstance(self.scene.outcomes[0], Finished)
        assert done_well == (b"[DONE]" in self.scene.client.value())
        if self.scene.outcomes and isinstance(self.scene.outcomes[0], (CancelledError, ClientStalledError)):
            assert b'{"error"' not in self.scene.client.value()

    @override
    def teardown(self) -> None:
        """The upstream ends, as it always does, and the exchange is over."""
        if not self.scene.upstream.ended:
            self.scene.lose()
        self.scene.relay.done.cancel()
        assert self.scene.timers() == 0
        assert len(self.scene.outcomes) == 1


class WalkTests(Unmeasured):
    """Hypothesis drives the relay."""

    def test_anything_may_happen(self) -> None:
        """In any order of events the promises above are kept."""
        run_state_machine_as_test(
            Walk, settings=settings(max_examples=120, stateful_step_count=20, deadline=None, derandomize=True)
        )
