"""This module is how many requests begin in one turn of the reactor: a crowd that comes at once does not hold up the streams under way.

To read a request and to say it upstream takes half a millisecond, and a thousand clients that arrive together would keep everybody else's
next word waiting for half a second. Of a crowd a few begin in each turn, in the order in which they came, and between two turns every
stream has its say. Nobody waits longer for it: they would have begun one after the other all the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

_MOST = 8  # requests that begin in one turn


class Turnstile:
    """Lets a few through in each turn of the reactor.

    Args:
        clock: Where turns come from.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._passed = 0
        self._waiting: deque[tuple[Callable[[], None], Callable[[], object]]] = deque()

    def lets_in(self) -> bool:
        """Whether one more may begin now; who may not has to wait."""
        if self._passed >= _MOST:
            return False
        self._pass(self._passed + 1)
        return True

    def wait(self, begin: Callable[[], None], give_up: Callable[[], object]) -> None:
        """Begin in a later turn, and give up if that fails: the others must not wait for ever because of it."""
        self._waiting.append((begin, give_up))

    def _turn(self) -> None:
        """The next turn begins."""
        self._pass(min(_MOST, len(self._waiting)))
        for begin, give_up in [self._waiting.popleft() for _ in range(self._passed)]:
            try:
                begin()
            except Exception:
                self._log.failure("A bug at the beginning of a request")
                give_up()

    def _pass(self, passed: int) -> None:
        """So many have passed. Turns are told apart only when they are all that may: one request after the other needs none."""
        self._passed = passed
        if passed == _MOST:
            self._clock.callLater(0, self._turn)
