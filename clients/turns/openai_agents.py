"""This module is one turn of the OpenAI Agents SDK: ``openai_agents.py text|tool|parsed|streamed|socket URL KEY``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from agents import (
    Agent,
    ModelSettings,
    OpenAIResponsesModel,
    OpenAIResponsesWSModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from openai.types.shared import Reasoning
from pydantic import BaseModel


class City(BaseModel):
    """What the structured answer is parsed into."""

    city: str
    people: int


@function_tool
def get_time(city: str) -> str:
    """Get the time of a city."""
    return f"half past two in {city}"


Models = Callable[[str], OpenAIResponsesModel]


async def text(models: Models) -> str:
    """A run without tools."""
    ran = await Runner.run(Agent(name="A", instructions="Be brief.", model=models("sim/text")), "hello")
    return f"{ran.final_output} | {ran.context_wrapper.usage.total_tokens} tokens"


async def tool(models: Models) -> str:
    """A run in which the agent calls its tool."""
    ran = await Runner.run(Agent(name="A", model=models("sim/tool"), tools=[get_time]), "hello", max_turns=3)
    return str(ran.final_output)


async def parsed(models: Models) -> str:
    """A run whose answer fits a model."""
    ran = await Runner.run(Agent(name="A", model=models("sim/json"), output_type=City), "hello")
    return repr(ran.final_output)


async def streamed(models: Models) -> str:
    """A streamed run with a tool and with reasoning that goes back in sealed form."""
    settings = ModelSettings(
        store=False,
        response_include=["reasoning.encrypted_content"],
        reasoning=Reasoning(effort="high", summary="auto"),
    )
    agent = Agent(name="A", model=models("deepseek/deepseek-v4-pro"), tools=[get_time], model_settings=settings)
    ran = Runner.run_streamed(agent, "hello", max_turns=3)
    kinds = [event.item.type async for event in ran.stream_events() if event.type == "run_item_stream_event"]
    return f"{ran.final_output} | {' '.join(kinds)}"


TURNS: dict[str, Callable[[Models], Awaitable[str]]] = {
    "text": text,
    "tool": tool,
    "parsed": parsed,
    "streamed": streamed,
    "socket": tool,
}


async def main(turn: str, url: str, key: str) -> None:
    """Run the turn and print what it says."""
    set_tracing_disabled(disabled=True)
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=30) as client:
        kind = OpenAIResponsesWSModel if turn == "socket" else OpenAIResponsesModel
        answer = await TURNS[turn](lambda model: kind(model=model, openai_client=client))
    sys.stdout.write(f"{answer}\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
