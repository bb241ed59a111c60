"""Run every benchmark, one after the other, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

from benchmarks.report import note

FOLDER = Path(__file__).resolve().parent
IS_BENCHMARK = 'if __name__ == "__main__":'


def benchmarks() -> list[str]:
    """Modules of this folder that can be run, by name."""
    files = sorted(FOLDER.glob("*.py"))
    return [f.stem for f in files if f.stem != "__main__" and IS_BENCHMARK in f.read_text()]


def main(arguments: list[str]) -> int:
    """Run them all with the same arguments; the number of those that failed."""
    failed = 0
    for name in benchmarks():
        note(f"python -m benchmarks.{name} {' '.join(arguments)}")
        command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
        failed += subprocess.run(command, cwd=FOLDER.parent, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
