"""OpenAI's Chat Completions API (https://platform.openai.com/docs/api-reference/chat)."""
