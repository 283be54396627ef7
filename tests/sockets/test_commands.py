"""Tests of the commands that users copy: two programs, started as documented, and curl."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.daemons import DaemonProcess, environment
from tests.dialects.strict import read_chat, read_messages

CHAT = """curl -sS http://127.0.0.1:3050/v1/chat/completions \\
  -H "Authorization: Bearer user_xxxxxxxxx" \\
  -H "Content-Type: application/json" \\
  -d '%s'"""
MESSAGES = """curl -sS http://127.0.0.1:3050/v1/messages \\
  -H "x-api-key: user_xxxxxxxxx" \\
  -H "anthropic-version: 2023-06-01" \\
  -H "Content-Type: application/json" \\
  -d '%s'"""
HI = '{"model":"deepseek/deepseek-v4-flash","messages":[{"role":"user","content":"hi"}]}'
HELLO = """{
    "model": "deepseek/deepseek-v4-flash",
    "messages": [{"role": "user", "content": "hello"}]%s
  }"""
IMAGE = """{
  "model": "sim/echo",
  "messages": [{
    "role": "user",
    "content": [
      { "type": "text", "text": "Describe this image" },
      { "type": "image_url", "image_url": { "url": "data:image/jpeg;base64,/9j/4AAQSkZJRg==" } }
    ]
  }]
}"""
TOOLS = """{
  "model": "deepseek/deepseek-v4-flash",
  "messages": [{ "role": "user", "content": "Is it raining in Oslo?" }],
  "tools": [{
    "type": "function",
    "function": {
      "name": "get_weather",
      "description": "The weather",
      "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    }
  }],
  "tool_choice": "auto"
}"""
SYSTEM = """{
  "model": "claude-sonnet-4-6",
  "max_tokens": 1000,
  "system": "You are a helpful assistant.",
  "messages": [
    { "role": "user", "content": "hello" }
  ]%s
}"""


class CurlTests(SynchronousTestCase):
    """A daemon whose environment says where the upstream is, and curl in front of it."""

    def setUp(self) -> None:
        """Start the simulator, and a daemon that is told of it by CC_API_BASE."""
        if shutil.which("curl") is None:
            raise SkipTest("curl is not installed")
        simulator = DaemonProcess(Path(self.mktemp()), plugin="ccproxy-simulator")
        self.addCleanup(simulator.end)
        environ = {"CC_API_BASE": f"http://127.0.0.1:{simulator.port}"}
        self.daemon = DaemonProcess(Path(self.mktemp()), environ=environ)
        self.addCleanup(self.daemon.end)

    def run_command(self, command: str) -> bytes:
        """What a shell command prints, its port replaced by the daemon's."""
        process = subprocess.run(
            ["sh", "-c", command.replace(":3050", f":{self.daemon.port}")],
            env=environment(),
            capture_output=True,
            timeout=20,
            check=True,
        )
        return process.stdout

    def test_commands(self) -> None:
        """Every request that newcomers are shown does what it says."""
        documents: list[Any] = [
            json.loads(self.run_command(command))
            for command in (
                CHAT % HI,
                CHAT % HELLO % "",
                CHAT % IMAGE,
                CHAT % TOOLS,
                MESSAGES % SYSTEM % "",
                "curl -sS http://127.0.0.1:3050/v1/models",
            )
        ]
        chat = self.run_command(CHAT % HELLO % ', "stream": true')
        messages = self.run_command(MESSAGES % SYSTEM % ', "stream": true')
        health = self.run_command("curl -sS http://127.0.0.1:3050/health")

        contents = [document["choices"][0]["message"]["content"] for document in documents[:3]]
        self.assertEqual(contents[:2], [f"Hello from the simulator! You said: {word}" for word in ("hi", "hello")])
        self.assertIn("images: image/jpeg 10 bytes", contents[2])
        self.assertEqual(documents[3]["choices"][0]["finish_reason"], "tool_calls")
        self.assertEqual(documents[4]["content"][0]["text"], "Hello from the simulator! You said: hello")
        self.assertIn("deepseek/deepseek-v4-flash", [model["id"] for model in documents[5]["data"]])
        self.assertEqual(read_chat(chat).text, "Hello from the simulator! You said: hello")
        self.assertEqual(read_messages(messages).stop_reason, "end_turn")
        self.assertEqual(health, b"OK")
