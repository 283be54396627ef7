"""This module is one turn of LangChain: ``langchain.py openai|responses|anthropic text|tool URL KEY``."""

import sys

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import SecretStr


@tool
def get_time(city: str) -> str:
    """Get the time of a city."""
    return f"half past two in {city}"


def chat_model(dialect: str, model: str, url: str, key: str) -> BaseChatModel:
    """The model, spoken to in one of the dialects."""
    if dialect != "anthropic":
        from langchain_openai import ChatOpenAI

        responses = dialect == "responses"
        return ChatOpenAI(
            model=model, base_url=f"{url}/v1", api_key=key, stream_usage=True, use_responses_api=responses
        )
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(model_name=model, base_url=url, api_key=SecretStr(key))


def text_turn(model: BaseChatModel) -> str:
    """A streamed answer, which has to agree with the same answer in one piece."""
    chunks = list(model.stream("hello"))
    streamed = "".join(chunk.text for chunk in chunks)
    whole = model.invoke("hello")
    usage = whole.usage_metadata
    return f"{streamed} | {whole.text} | {usage['total_tokens'] if usage else 'no usage'} tokens"


def tool_turn(model: BaseChatModel) -> str:
    """A call, its execution and the answer to its result."""
    able = model.bind_tools([get_time])
    conversation: list[BaseMessage] = [HumanMessage("What time is it?")]
    answer = able.invoke(conversation)
    results: list[ToolMessage] = [get_time.invoke(call) for call in answer.tool_calls]
    return able.invoke([*conversation, answer, *results]).text


if __name__ == "__main__":
    dialect, turn, url, key = sys.argv[1:]
    answer = {"text": text_turn, "tool": tool_turn}[turn](chat_model(dialect, f"sim/{turn}", url, key))
    sys.stdout.write(f"{answer}\n")
