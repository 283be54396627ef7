"""ccproxy serves OpenAI and Anthropic clients from Command Code."""

__version__ = "0.1.0"
