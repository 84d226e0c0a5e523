"""Runs every benchmark and writes the table of their figures to benchmarks/results.md.

    python benchmarks/run.py [NAME …]

Without a name, every module beside this one is run. Ends with 1 when a promise is not kept.
"""

from __future__ import annotations

import ast
import os
import platform
import subprocess
import sys
from pathlib import Path

from report import Run, page

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "results.md"
_NOT_BENCHMARKS = {"__init__", "report", "run"}


def main() -> int:
    names = sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in _NOT_BENCHMARKS)
    unknown = [name for name in names if not (FOLDER / f"{name}.py").is_file()]
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}", file=sys.stderr)
        return 2
    runs = [run(name) for name in names]
    text = page(runs, machine())
    if sys.argv[1:]:
        # A part of the benchmarks must not stand for all of them.
        print(text)
    else:
        RESULTS.write_text(text, encoding="utf-8")
        print(f"written to {RESULTS.relative_to(FOLDER.parent)}")
    return 1 if any(one.status for one in runs) else 0


def run(name: str) -> Run:
    """Runs one benchmark in a process of its own, and shows what it prints."""
    path = FOLDER / f"{name}.py"
    print(f"{name} …", flush=True)
    done = subprocess.run([sys.executable, str(path)], check=False, stdout=subprocess.PIPE, text=True)
    print(done.stdout, flush=True)
    return Run(name, title_of(path), done.stdout, done.returncode)


def title_of(path: Path) -> str:
    """The first line of a module's docstring."""
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return words.partition("\n")[0]


def machine() -> str:
    """What kind of machine this is; nothing that would name it."""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


if __name__ == "__main__":
    sys.exit(main())
