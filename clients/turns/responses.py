"""This module is one turn of the SDK `openai` over the Responses API: ``responses.py TURN URL KEY``, the turns being those of `TURNS`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from openai import OpenAI
from pydantic import BaseModel

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TIME: Any = {"type": "function", "name": "get_time", "description": "The time.", "parameters": SCHEMA, "strict": False}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class City(BaseModel):
    """What the structured answer is parsed into."""

    city: str
    people: int


def text(client: OpenAI) -> str:
    """An answer as a document, as events, and as what the SDK makes of the events; all three have to agree."""
    whole = client.responses.create(model="sim/text", input="hello")
    events = list(client.responses.create(model="sim/text", input="hello", stream=True))
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    with client.responses.stream(model="sim/text", input="hello") as stream:
        accumulated = stream.get_final_response()
    _same(whole.output_text, deltas, accumulated.output_text)
    _same(whole.usage, accumulated.usage)
    return f"{whole.output_text} | {accumulated.usage.total_tokens} tokens"


def tool(client: OpenAI) -> str:
    """A call, its execution and the answer to its result, with the whole conversation sent again."""
    asked: dict[str, Any] = {"model": "sim/tool", "tools": [TIME], "store": False}
    conversation: list[Any] = [{"role": "user", "content": "What time is it?"}]
    with client.responses.stream(**asked, input=conversation) as stream:
        conversation += (output := stream.get_final_response().output)
    conversation += _results(output)
    return client.responses.create(**asked, input=conversation).output_text


def continued(client: OpenAI) -> str:
    """The same with ``previous_response_id``: only the result is sent; then what is kept is looked at and deleted."""
    asked: dict[str, Any] = {"model": "sim/tool", "tools": [TIME]}
    first = client.responses.create(**asked, input="What time is it?")
    last = client.responses.create(**asked, input=_results(first.output), previous_response_id=first.id)
    _same(client.responses.retrieve(last.id).output_text, last.output_text)
    items = client.responses.input_items.list(last.id, order="asc").data
    client.responses.delete(last.id)
    return f"{last.output_text} | {' '.join(item.type for item in items)}"


def parsed(client: OpenAI) -> str:
    """An answer that fits a model, as a document and as events."""
    whole = client.responses.parse(model="sim/json", input="hello", text_format=City).output_parsed
    with client.responses.stream(model="sim/json", input="hello", text_format=City) as stream:
        _same(whole, stream.get_final_response().output_parsed)
    return repr(whole)


def image(client: OpenAI) -> str:
    """A picture inside the request, and a model that says what it was sent."""
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
    content: Any = [{"type": "input_text", "text": "What is it?"}, picture]
    return client.responses.create(model="sim/echo", input=[{"role": "user", "content": content}]).output_text


def reasoning(client: OpenAI) -> str:
    """Reasoning that comes with its sealed form, streamed, and goes back; the model says whether it arrived."""
    asked: dict[str, Any] = {
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"summary": "auto"},
    }
    conversation: list[Any] = [{"role": "user", "content": "hello"}]
    with client.responses.stream(**asked, model="sim/reasoning", input=conversation) as stream:
        output = stream.get_final_response().output
    thought = output[0]
    conversation += [*output, {"role": "user", "content": "And now?"}]
    return f"{thought.summary[0].text} | {client.responses.create(**asked, model='sim/echo', input=conversation).output_text}"


def background(client: OpenAI) -> str:
    """An answer that is made in the background: asked for until it is there, and read to its end after its stream was left."""
    made = client.responses.create(model="sim/slow", input="hello", background=True)
    while made.status in ("queued", "in_progress"):
        time.sleep(0.2)
        made = client.responses.retrieve(made.id)
    words, last, response_id = "", 0, ""
    with client.responses.create(model="sim/slow", input="hello", background=True, stream=True) as stream:
        for event in stream:
            last = event.sequence_number
            if event.type == "response.created":
                response_id = event.response.id
            if event.type == "response.output_text.delta":
                words += event.delta
                break
    for event in client.responses.retrieve(response_id, stream=True, starting_after=last):
        words += event.delta if event.type == "response.output_text.delta" else ""
    _same(made.output_text, words)
    return f"{made.status} | {words}"


TURNS: dict[str, Callable[[OpenAI], str]] = {
    "text": text,
    "tool": tool,
    "continued": continued,
    "parsed": parsed,
    "image": image,
    "reasoning": reasoning,
    "background": background,
}


def _results(output: list[Any]) -> list[Any]:
    calls = [item for item in output if item.type == "function_call"]
    return [
        {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": f"half past two in {json.loads(call.arguments)['city']}",
        }
        for call in calls
    ]


def _same(first: object, *others: object) -> None:
    for other in others:
        if other != first:
            raise SystemExit(f"{other!r} is not {first!r}")


if __name__ == "__main__":
    turn, url, key = sys.argv[1:]
    with OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=30) as client:
        sys.stdout.write(f"{TURNS[turn](client)}\n")
