"""Tests of the corpus: what goes up and what clients get, byte for byte."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects import DIALECTS
from tests.corpus_replay import CORPUS, Bench, Case, Outcome, cases
from tests.unmeasured import Unmeasured

LEAST = 120
MODES = {"response.sse": "stream", "response.json": "document"}


class CorpusTests(Unmeasured):
    """Every case, served by the whole daemon."""

    def check(self, case: Case, outcome: Outcome) -> None:
        """Hold an outcome against what the case expects."""
        answer = outcome.answer
        self.assertEqual(
            (answer.status, answer.headers.get("x-ccproxy-notes", "")), (case.status, case.notes), case.name
        )
        headers = {name: answer.headers.get(name) for name in case.response_headers}
        self.assertEqual(headers, dict(case.response_headers), case.name)
        self.assertEqual(outcome.tries, len(case.attempts), case.name)
        self.assertEqual(outcome.files.keys(), case.kept.keys(), case.name)
        for name, content in outcome.files.items():
            self.assertEqual(content, case.kept[name], f"{case.name}/{name}")

    def test_bytes(self) -> None:
        """The upstream is asked, and the client answered, with exactly these bytes."""
        bench = Bench()

        for case in cases():
            self.check(case, bench.run(case))


class LayoutTests(SynchronousTestCase):
    """The files of the corpus, which other programs read."""

    def test_size(self) -> None:
        """There are many cases of every dialect that clients speak, and every folder is one."""
        counts = Counter(case.folder.parent.name for case in cases())

        self.assertGreaterEqual(sum(counts.values()), LEAST)
        self.assertLessEqual(counts.keys(), {dialect.name for dialect in DIALECTS})
        self.assertEqual({case.folder for case in cases()}, {path for path in CORPUS.glob("*/*") if path.is_dir()})

    def test_mode(self) -> None:
        """The mode of a case is the one that its request asks for, and its answer has it unless it is refused."""
        for case in cases():
            request = _read(case.request)
            if isinstance(request, dict) and isinstance(request.get("stream"), bool):
                self.assertEqual(case.mode, "stream" if request["stream"] else "document", case.name)
            (answered,) = (mode for name, mode in MODES.items() if name in case.kept)
            self.assertIn(answered, (case.mode, "document"), case.name)
            self.assertEqual(answered, case.mode if case.status == 200 else "document", case.name)

    def test_statements(self) -> None:
        """No two cases show the same."""
        statements = Counter((case.folder.parent.name, case.shows) for case in cases())

        self.assertEqual([statement for statement, count in statements.items() if count > 1], [])


def _read(request: bytes) -> Any:
    try:
        return json.loads(request)
    except ValueError:
        return None
