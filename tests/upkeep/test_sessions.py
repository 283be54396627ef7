"""This module is the tests of the sessions under which keys talk to the upstream."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.keys import Key
from ccproxy.upkeep.sessions import Sessions, derive

HOUR = 3600
NOW = 1_790_000_000.0
KEY = Key("user_test_key")
KEYS = [Key(f"user_test_key_{number}") for number in range(200)]

times = st.floats(0, 4_000_000_000)
keys = st.text(st.characters(codec="utf-8"), min_size=1).map(Key)


class DeriveTests(SynchronousTestCase):
    """The session that a key has at a time."""

    @given(keys, times)
    def test_id_is_a_random_uuid_in_form(self, key: Key, now: float) -> None:
        """Every id is a canonical UUID of version 4."""
        session = derive(key, now).id

        parsed = uuid.UUID(session)
        self.assertEqual((str(parsed), parsed.version, parsed.variant), (session, 4, uuid.RFC_4122))

    @given(keys, times)
    def test_session_lives_12_to_13_hours(self, key: Key, now: float) -> None:
        """A session is valid now, and follows one that ended 12 to 13 hours before its own end."""
        session = derive(key, now)
        next_session = derive(key, session.expires_at)

        life = next_session.expires_at - session.expires_at

        self.assertTrue(now < session.expires_at <= now + life)
        self.assertTrue(12 * HOUR <= life <= 13 * HOUR, life)

    @given(keys, times)
    def test_session_is_the_same_until_it_expires(self, key: Key, now: float) -> None:
        """The id changes when its time is over, and not a second earlier."""
        session = derive(key, now)

        self.assertEqual(derive(key, session.expires_at - 1), session)
        self.assertNotEqual(derive(key, session.expires_at).id, session.id)

    def test_derivation_is_stable(self) -> None:
        """Every machine and every version agrees: the id follows from the key and the time alone."""
        session = derive(KEY, NOW)

        self.assertEqual((session.id, session.expires_at), ("d85fc1dd-bfbc-4a68-a26b-b50d528fe078", 1_790_012_406))

    def test_keys_have_sessions_of_their_own(self) -> None:
        """No two keys share an id."""
        ids = {derive(key, NOW).id for key in KEYS}

        self.assertEqual(len(ids), len(KEYS))

    def test_epochs_have_sessions_of_their_own(self) -> None:
        """No id of a key comes back."""
        ids = {derive(KEY, NOW + period * 13 * HOUR).id for period in range(200)}

        self.assertEqual(len(ids), 200)

    def test_keys_do_not_change_together(self) -> None:
        """The ends of the sessions are spread over the half day, and the lives over an hour."""
        ends = [derive(key, NOW).expires_at - NOW for key in KEYS]
        lives = {derive(key, derive(key, NOW).expires_at).expires_at - derive(key, NOW).expires_at for key in KEYS}

        self.assertTrue(min(ends) < HOUR and max(ends) > 11 * HOUR, (min(ends), max(ends)))
        self.assertTrue(max(lives) - min(lives) > HOUR / 2, lives)


class SessionsTests(SynchronousTestCase):
    """The table of live sessions."""

    def test_two_instances_agree(self) -> None:
        """Processes that never talked to each other give a key the same id, whenever they first saw it."""
        early, late = Sessions(), Sessions()
        expires_at = derive(KEY, NOW).expires_at
        early.of(KEY, NOW)

        self.assertEqual(early.of(KEY, expires_at - 1), late.of(KEY, expires_at - 1))
        self.assertEqual(early.of(KEY, expires_at), late.of(KEY, expires_at))

    def test_id_changes_when_its_time_is_over(self) -> None:
        """An expired session is replaced when it is asked for, without waiting for the rotation."""
        sessions = Sessions()
        first = sessions.of(KEY, NOW)
        expires_at = derive(KEY, NOW).expires_at

        before, after = sessions.of(KEY, expires_at - 1), sessions.of(KEY, expires_at)

        self.assertEqual(before, first)
        self.assertNotEqual(after, first)
        self.assertEqual(len(sessions), 1)

    def test_rotation_forgets_what_is_over(self) -> None:
        """The rotation keeps the live sessions, and only those."""
        sessions = Sessions()
        for key in KEYS:
            sessions.of(key, NOW)
        later = NOW + 6 * HOUR

        sessions.rotate(later)

        alive = sum(derive(key, NOW).expires_at > later for key in KEYS)
        self.assertTrue(0 < alive < len(KEYS))
        self.assertEqual(len(sessions), alive)

    def test_rotation_forgets_what_is_over_just_now(self) -> None:
        """A session has no second beyond its time."""
        sessions = Sessions()
        sessions.of(KEY, NOW)

        sessions.rotate(derive(KEY, NOW).expires_at)

        self.assertEqual(len(sessions), 0)

    def test_rotation_forgets_everything_in_the_end(self) -> None:
        """Keys that are not used any more leave nothing behind."""
        sessions = Sessions()
        for key in KEYS:
            sessions.of(key, NOW)

        sessions.rotate(NOW + 13 * HOUR)

        self.assertEqual(len(sessions), 0)

    def test_table_is_bounded(self) -> None:
        """However many keys come, the table stays small; the oldest fall out, and have the same id when they come back."""
        sessions = Sessions()
        first = sessions.of(KEY, NOW)

        for number in range(10_001):
            sessions.of(Key(f"user_test_{number}"), NOW)

        self.assertEqual(len(sessions), 10_000)
        self.assertNotIn(KEY.digest, repr(vars(sessions)))
        self.assertEqual(sessions.of(KEY, NOW), first)

    def test_table_does_not_hold_the_key(self) -> None:
        """Neither the keys nor the values of the table show a key."""
        sessions = Sessions()
        sessions.of(KEY, NOW)

        shown = f"{sessions!r} {vars(sessions)!r} {derive(KEY, NOW)!r}"

        self.assertIn(KEY.digest, shown)
        self.assertNotIn(KEY.reveal(), shown)
