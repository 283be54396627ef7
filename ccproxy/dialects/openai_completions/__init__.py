"""OpenAI's legacy Completions API (https://platform.openai.com/docs/api-reference/completions)."""
