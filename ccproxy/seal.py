"""This module is the signature on thinking blocks: one that only the proxy recognises, and any of its processes.

Clients of the Messages API give thinking blocks back with the signature that came with them. Ours has a prefix of its own and a MAC
over the text, keyed from the caller's API key: whoever has the key can verify it and nobody has to keep it. It imitates no vendor's. Where
the client asked not to see the thinking (``thinking.display: omitted``) the signature carries the text, so that it can go back up.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

from attrs import evolve

from ccproxy.codecs import Key
from ccproxy.prompt import Message, Note, NoteCode, Part, Prompt, Reasoning

_PREFIX = "ccproxy1"
_LABEL = b"ccproxy thinking signature"


class Signer:
    """Signs one thinking block while its text comes in pieces.

    Args:
        secret: From `Seal.secret`.
        carry: Whether the signature holds the text, which the client is then not shown.
    """

    def __init__(self, secret: bytes, *, carry: bool) -> None:
        self._mac = blake2b(key=secret, digest_size=16)
        self._carried: list[bytes] | None = [] if carry else None

    def update(self, text: str) -> None:
        """Take the next piece."""
        data = text.encode()
        self._mac.update(data)
        if self._carried is not None:
            self._carried.append(data)

    def signature(self) -> str:
        """The signature of all pieces."""
        fields = [_PREFIX, _written(self._mac.digest())]
        if self._carried is not None:
            fields.append(_written(b"".join(self._carried)))
        return ".".join(fields)


class Seal:
    """Recognises the thinking of one caller.

    Attributes:
        secret: What a `Signer` of this caller's thinking needs.
    """

    def __init__(self, key: Key) -> None:
        self.secret = key.derive(_LABEL, size=32)

    def opened(self, text: str, signature: str) -> str | None:
        """The thinking that a block stands for; None when the signature is not ours."""
        prefix, _, rest = signature.partition(".")
        mac, carries, carried = rest.partition(".")
        try:
            thinking = _read(carried).decode() if carries else text
            genuine = prefix == _PREFIX and hmac.compare_digest(_read(mac), self._mac(thinking))
        except ValueError:
            return None
        return thinking if genuine else None

    def unsealed(self, prompt: Prompt) -> Prompt:
        """The prompt without signatures: reasoning that is ours is restored, any other is dropped with a note."""
        if not any(_is_signed(part) for message in prompt.messages for part in message.parts):
            return prompt
        dropped = 0
        messages: list[Message] = []
        for message in prompt.messages:
            parts: list[Part] = []
            for part in message.parts:
                if isinstance(part, Reasoning) and part.signature is not None:
                    thinking = self.opened(part.text, part.signature)
                    dropped += thinking is None
                    parts += [Reasoning(thinking)] if thinking else []
                else:
                    parts.append(part)
            messages.append(evolve(message, parts=tuple(parts)))
        notes = (Note(NoteCode.REASONING_DROPPED, ("messages",) * dropped),) if dropped else ()
        return evolve(prompt, messages=tuple(messages), notes=(*prompt.notes, *notes))

    def _mac(self, text: str) -> bytes:
        return blake2b(text.encode(), key=self.secret, digest_size=16).digest()


def _is_signed(part: Part) -> bool:
    return isinstance(part, Reasoning) and part.signature is not None


def _written(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _read(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
