"""This module is the signature on thinking blocks: one that only the proxy recognises, and any of its processes.

Clients of the Messages API give thinking blocks back with the signature that came with them. Ours has a prefix of its own and a MAC
over the text, keyed from the caller's API key: whoever has the key can verify it and nobody has to keep it. It imitates no vendor's. Where
the client asked not to see the thinking (``thinking.display: omitted``) the signature carries the text, so that it can go back up.
What other clients keep for us is in envelopes (`ccproxy.envelopes`), which are opened here too.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from hashlib import blake2b
from typing import TypeGuard

from attrs import evolve

from ccproxy.envelopes import Content, Envelopes, is_envelope
from ccproxy.keys import Key
from ccproxy.prompt import Message, Note, NoteCode, Part, Prompt, Reasoning, Role, Text

_PREFIX = "ccproxy1"
_LABEL = b"ccproxy thinking signature"
_LOST: dict[type[Part], NoteCode] = {Reasoning: NoteCode.REASONING_DROPPED, Text: NoteCode.ITEM_DROPPED}


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
        """The prompt without signatures and envelopes: what is ours is restored, any other is dropped with a note.

        A sum that is restored stands for what the assistant and its tools said before it, which then does not go up again.
        """
        if not any(_is_sealed(part) for message in prompt.messages for part in message.parts):
            return prompt
        envelopes = Envelopes(self.secret)
        dropped: Counter[NoteCode] = Counter()
        messages: list[Message] = []
        summed_up = 0  # messages that a sum stands for
        for index, message in enumerate(prompt.messages):
            parts: list[Part] = []
            for part in message.parts:
                if not _is_sealed(part):
                    parts.append(part)
                elif (restored := self._restored(part, envelopes)) is None:
                    dropped[_LOST[type(part)]] += 1
                elif restored.text:
                    parts.append(restored)
                    summed_up = index if isinstance(restored, Text) else summed_up
            messages.append(evolve(message, parts=tuple(parts)))
        notes = tuple(Note(code, (prompt.place,) * count) for code, count in dropped.items())
        still_told = (message for message in messages[:summed_up] if message.role in (Role.SYSTEM, Role.USER))
        return evolve(prompt, messages=(*still_told, *messages[summed_up:]), notes=(*prompt.notes, *notes))

    def _restored(self, part: Text | Reasoning, envelopes: Envelopes) -> Text | Reasoning | None:
        """What a sealed part stands for; None when that is lost."""
        if isinstance(part, Text):
            summary = envelopes.opened(part.sealed or "", Content.SUMMARY)
            return None if summary is None else Text(summary)
        signature = part.signature or ""
        ours = (
            envelopes.opened(signature, Content.REASONING)
            if is_envelope(signature)
            else self.opened(part.text, signature)
        )
        return None if ours is None else Reasoning(ours)

    def _mac(self, text: str) -> bytes:
        return blake2b(text.encode(), key=self.secret, digest_size=16).digest()


def _is_sealed(part: Part) -> TypeGuard[Text | Reasoning]:
    if isinstance(part, Text):
        return part.sealed is not None
    return isinstance(part, Reasoning) and part.signature is not None


def _written(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _read(text: str) -> bytes:
    return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
