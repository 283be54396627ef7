"""Tests of the signature on thinking blocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.envelopes import Content, Envelopes
from ccproxy.keys import Key
from ccproxy.prompt import Message, Note, NoteCode, Prompt, Reasoning, Role, Text, ToolResult
from ccproxy.seal import Seal, Signer

SEAL = Seal(Key("user_test_key"))
OTHER = Seal(Key("user_other_key"))
TEXTS = st.text(st.characters(codec="utf-8"))


def signature(*pieces: str, seal: Seal = SEAL, carry: bool = False) -> str:
    """The signature of a text that came in pieces."""
    signer = Signer(seal.secret, carry=carry)
    for piece in pieces:
        signer.update(piece)
    return signer.signature()


def envelope(text: str, content: Content = Content.REASONING, *, seal: Seal = SEAL) -> str:
    """A text in an envelope."""
    sealed = Envelopes(seal.secret).sealed(text, content)
    assert sealed is not None
    return sealed


class SealTests(SynchronousTestCase):
    """What is recognised, and what is not."""

    @given(st.lists(TEXTS))
    def test_own_thinking_is_restored(self, pieces: list[str]) -> None:
        """A block that comes back with its signature gives its text, however it was streamed."""
        text = "".join(pieces)

        self.assertEqual(SEAL.opened(text, signature(*pieces)), text)
        self.assertEqual(SEAL.opened("", signature(*pieces, carry=True)), text)

    @given(TEXTS, TEXTS)
    def test_nothing_else_is_recognised(self, text: str, foreign: str) -> None:
        """Changed texts, foreign keys and foreign signatures open nothing, and raise nothing."""
        self.assertIsNone(SEAL.opened(text + "!", signature(text)))
        self.assertIsNone(SEAL.opened(text, signature(text, seal=OTHER)))
        self.assertIsNone(SEAL.opened(text, foreign))
        self.assertIsNone(SEAL.opened(text, "ccproxy1." + foreign))

    def test_cut_signature(self) -> None:
        """A signature that lost its end opens nothing."""
        whole = signature("hm", carry=True)

        self.assertEqual([cut for cut in range(len(whole)) if SEAL.opened("", whole[:cut]) is not None], [])

    def test_prompt(self) -> None:
        """In a prompt own thinking is restored, foreign is dropped with a note, unsigned reasoning stays, and so does the rest."""
        said = (Reasoning("own", signature("own")), Reasoning("foreign", "sig"), Reasoning("plain"), Text("a"))
        carried = (Reasoning("", signature("carried", carry=True)),)
        prompt = Prompt("m", (Message(Role.ASSISTANT, said), Message(Role.ASSISTANT, carried)))

        unsealed = SEAL.unsealed(prompt)

        self.assertEqual(unsealed.messages[0].parts, (Reasoning("own"), Reasoning("plain"), Text("a")))
        self.assertEqual(unsealed.messages[1].parts, (Reasoning("carried"),))
        self.assertEqual(unsealed.notes, (Note(NoteCode.REASONING_DROPPED, ("messages",)),))

    def test_envelopes(self) -> None:
        """Reasoning in an envelope of ours is restored, that in a foreign or damaged one is dropped with a note."""
        ours, damaged = envelope("ours"), envelope("ours")[:-3]
        said = (Reasoning("", ours), Reasoning("", damaged), Reasoning("", envelope("not mine", seal=OTHER)))

        unsealed = SEAL.unsealed(Prompt("m", (Message(Role.ASSISTANT, (*said, Text("a"))),)))

        self.assertEqual(unsealed.messages[0].parts, (Reasoning("ours"), Text("a")))
        self.assertEqual(unsealed.notes, (Note(NoteCode.REASONING_DROPPED, ("messages",) * 2),))

    def test_summaries(self) -> None:
        """A sum in an envelope becomes the text that it is; a foreign one, or one of reasoning, is dropped with a note."""
        foreign = envelope("a", Content.SUMMARY, seal=OTHER)
        parts = [Text("", sealed) for sealed in (envelope("sum", Content.SUMMARY), foreign, envelope("hm"), "gAAAA")]

        unsealed = SEAL.unsealed(Prompt("m", (Message(Role.USER, (*parts, Text("go on"))),)))

        self.assertEqual(unsealed.messages[0].parts, (Text("sum"), Text("go on")))
        self.assertEqual(unsealed.notes, (Note(NoteCode.ITEM_DROPPED, ("messages",) * 3),))

    def test_summed_up(self) -> None:
        """A sum stands for what assistant and tools said before it; what user and system said stays, and all that comes after."""
        system, user = Message(Role.SYSTEM, (Text("be brief"),)), Message(Role.USER, (Text("build"),))
        old = (Message(Role.ASSISTANT, (Text("long"),)), Message(Role.TOOL, (ToolResult("c", (Text("longer"),)),)))
        new = Message(Role.ASSISTANT, (Text("new"),))

        def told(sealed: str) -> tuple[Message, ...]:
            summary = Message(Role.USER, (Text("", sealed),))
            return SEAL.unsealed(Prompt("m", (system, user, *old, summary, new))).messages

        self.assertEqual(
            told(envelope("sum", Content.SUMMARY)), (system, user, Message(Role.USER, (Text("sum"),)), new)
        )
        lost = told(envelope("sum", Content.SUMMARY, seal=OTHER))
        self.assertEqual(lost, (system, user, *old, Message(Role.USER, ()), new), "nothing stands for it")

    def test_nothing_sealed(self) -> None:
        """A prompt in which nothing is sealed stays what it is, empty texts included."""
        prompt = Prompt("m", (Message(Role.USER, (Text(""), Reasoning("hm"))),))

        self.assertIs(SEAL.unsealed(prompt), prompt)

    def test_key_stays_hidden(self) -> None:
        """Neither seal nor signature holds the key."""
        self.assertNotIn("user_test_key", signature("a", carry=True) + repr(vars(SEAL)))
