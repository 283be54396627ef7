"""This module rewrites the golden files from what the code says now: ``python -m tests.golden_update``."""

from __future__ import annotations

from tests.replay import GOLDEN, goldens


def main() -> int:
    """Write every file that differs, and remove those that no transcript has any more; gives the exit status."""
    wanted = goldens()
    for path in set(GOLDEN.glob("*/*")) - wanted.keys():
        path.unlink()
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
