"""This module is the fuzzers' command: ``python -m tests.fuzz framing|records [directory] [-option=value ...]``.

It needs atheris, which no test needs. What it finds goes to the directory, one outside the repository, or else to a new temporary one:
inputs that reach new code, and ``crash-`` files, which break a promise. An input worth keeping is copied to ``tests/fuzz/corpus`` under
a name that says what it is. The options are libFuzzer's: ``-max_total_time=180``, ``-runs=0`` to go through the corpus only.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = Path(__file__).resolve().parent / "corpus"
WORDS = Path(__file__).resolve().parent / "words.dict"
NAMES = ("framing", "records")


def main(arguments: Sequence[str], load: Callable[[str], ModuleType] = import_module) -> None:
    """Fuzz one target until an option or a find ends it.

    Args:
        arguments: The target, the directory if there is one, and options.
        load: Imports atheris.

    Raises:
        SystemExit: Always at the end; with a line of text when it could not begin.
    """
    name, *rest = arguments or [""]
    options = [argument for argument in rest if argument.startswith("-")]
    directories = [argument for argument in rest if not argument.startswith("-")]
    if name not in NAMES or len(directories) > 1:
        sys.exit(f"usage: python -m tests.fuzz {'|'.join(NAMES)} [directory for what is found] [-option=value ...]")
    try:
        atheris = load("atheris")
    except ImportError:
        sys.exit("The fuzzers need atheris, which is not installed: pip install atheris")
    found = Path(directories[0] if directories else tempfile.mkdtemp(prefix=f"fuzz-{name}-")).resolve()
    if found.is_relative_to(ROOT):
        sys.exit(f"{found} is in the repository: what is found belongs elsewhere until somebody has read it.")
    found.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=["ccproxy"]):
        from tests.fuzz.targets import TARGETS
    sys.stderr.write(f"what is found goes to {found}\n")
    # libFuzzer writes what is new into the first of its directories.
    given = (f"-dict={WORDS}", f"-artifact_prefix={found}/", "-max_len=4096", *options, str(found), str(CORPUS / name))
    atheris.Setup(["tests.fuzz", *given], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
