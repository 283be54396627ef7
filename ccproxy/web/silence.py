"""This module is an answer without content: the upstream is not asked, and the connection remembers what was said, to go on from.

It is kept nowhere else, as the upstream has not said yet that it knows the key.
"""

from __future__ import annotations

from ccproxy.codecs import Dialect, Encoder
from ccproxy.events import Finished, FinishReason, Usage
from ccproxy.web.house import House
from ccproxy.web.plan import identify, plan
from ccproxy.web.recalling import recalled
from ccproxy.web.report import Report
from ccproxy.web.sink import Sink

_NOTHING = Finished(FinishReason.STOP, Usage(input=0, output=0))


async def silence(house: House, dialect: Dialect, sink: Sink) -> Encoder:
    """Begin and end an answer, if its request is one that would be served; gives what wrote it.

    Args:
        house: What is needed.
        dialect: The client's language.
        sink: The request, and where the answer goes.

    Raises:
        ProxyError: The request is wrong.
    """
    name = house.token(12)
    report = Report(name, dialect.name, house.clock.seconds())
    key = house.upstream.credential(sink.plain_headers)
    identity = identify(house, sink.plain_headers, key)
    async with house.admission.place(key):
        asked = await recalled(house, dialect, sink.asked(), key)
        planned = await house.offload(lambda: plan(house, dialect, asked.fields(), identity, name), asked.weight)
    encoder = dialect.encoder(planned.turn, stream=True)
    answer = encoder.encode(_NOTHING)
    sink.write(answer)
    sink.finish()
    report.model, report.sent, report.usage = planned.turn.model, len(answer), _NOTHING.usage
    report.write(house.clock.seconds())
    return encoder
