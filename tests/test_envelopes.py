"""Tests of text that a client keeps for us and cannot read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.envelopes import LIMIT, Content, Envelopes, is_envelope

ENVELOPES = Envelopes(bytes(range(32)))
OTHER = Envelopes(bytes(32))
TEXTS = st.text(st.characters(codec="utf-8"))


def sealed(text: str, content: Content = Content.REASONING, *, envelopes: Envelopes = ENVELOPES) -> str:
    """The envelope of a text that is not too long for one."""
    envelope = envelopes.sealed(text, content)
    assert envelope is not None
    return envelope


class EnvelopeTests(SynchronousTestCase):
    """What can be opened, and what cannot."""

    @given(TEXTS, st.sampled_from(Content))
    def test_opened(self, text: str, content: Content) -> None:
        """An envelope gives the text that it was made of, is the same each time, and is plain text itself."""
        envelope = sealed(text, content)

        self.assertEqual(ENVELOPES.opened(envelope, content), text)
        self.assertEqual(sealed(text, content), envelope)
        self.assertRegex(envelope, r"\Accproxy2\.[\w-]+\Z")
        self.assertTrue(is_envelope(envelope))

    @given(TEXTS)
    def test_foreign(self, text: str) -> None:
        """What others made opens nothing and raises nothing, whatever it looks like."""
        for envelope in (text, "ccproxy2." + text, sealed(text, envelopes=OTHER), "ccproxy1." + sealed(text)[9:]):
            self.assertIsNone(ENVELOPES.opened(envelope, Content.REASONING))

    def test_damaged(self) -> None:
        """An envelope that was cut, or in which any character is another one, opens nothing."""
        whole = sealed("hm hm")
        changed = [whole[:at] + ("A" if whole[at] != "A" else "B") + whole[at + 1 :] for at in range(len(whole) - 1)]

        for envelope in (*changed, *(whole[:cut] for cut in range(len(whole)))):
            self.assertIsNone(ENVELOPES.opened(envelope, Content.REASONING), envelope)

    def test_other_content(self) -> None:
        """An envelope of one kind of content is none of another."""
        self.assertIsNone(ENVELOPES.opened(sealed("a", Content.REASONING), Content.SUMMARY))

    def test_limit(self) -> None:
        """The longest text is sealed and opened, one byte more is not sealed."""
        longest = "é" * (LIMIT // 2)

        self.assertEqual(ENVELOPES.opened(sealed(longest), Content.REASONING), longest)
        self.assertIsNone(ENVELOPES.sealed(longest + "a", Content.REASONING))

    def test_half_a_character(self) -> None:
        """Half a character, which no encoding has, does not break the sealing."""
        self.assertEqual(ENVELOPES.opened(sealed("a\ud83d"), Content.REASONING), "a?")
