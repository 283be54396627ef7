"""This module rewrites what the corpus expects from what the code says now: ``python -m tests.corpus_update [dialect/case ...]``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from tests.corpus_replay import Bench, Case, cases


def main(names: Sequence[str]) -> int:
    """Write every expected file that differs, of the named cases or of all; gives the exit status.

    What a person has to decide, the status and the headers that ``case.json`` names, is left alone; the tests compare it.
    """
    bench = Bench()
    for case in cases():
        if not names or case.name in names:
            _write(case, bench.run(case).files)
    return 0


def _write(case: Case, wanted: Mapping[str, bytes]) -> None:
    kept = case.kept
    for name in kept.keys() - wanted.keys():
        (case.folder / name).unlink()
    for name, content in wanted.items():
        if kept.get(name) != content:
            (case.folder / name).write_bytes(content)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
