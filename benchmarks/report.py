"""From what benchmarks print to one table of figures.

A benchmark prints each figure on a line of its own:

    ratio to PEER 1.18 (at most 1.25)
    budget: STEP 4.08 ms (at most 20 ms)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FIGURE = re.compile(r"^\s*(?:ratio|budget)\b(?P<words>.*?)\s+(?P<value>\d+\.\d+)\b(?P<unit> ms)?(?P<rest>.*)$")
_BOUND = re.compile(r"at (most|least) (\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio to a peer, or a time in `unit`; `bound` is what was promised, or None for information only."""

    benchmark: str
    words: str
    value: str
    unit: str
    side: str | None
    bound: str | None

    @property
    def holds(self) -> bool:
        """Whether the promise is kept."""
        if self.bound is None:
            return True
        if self.side == "least":
            return float(self.value) >= float(self.bound)
        return float(self.value) <= float(self.bound)

    def row(self) -> str:
        """A line of the table."""
        promise = f"at {self.side} {self.bound}{self.unit}" if self.bound else "for information"
        verdict = ("yes" if self.holds else "**no**") if self.bound else ""
        return f"| {self.benchmark} | {self.words} | {self.value}{self.unit} | {promise} | {verdict} |"


@dataclass(frozen=True, slots=True)
class Run:
    """One benchmark: what it compares, what it printed, and how it ended."""

    name: str
    title: str
    output: str
    status: int

    @property
    def figures(self) -> list[Figure]:
        """Every figure it printed."""
        return [_figure(self.name, found) for found in map(_FIGURE.match, self.output.splitlines()) if found]


def _figure(benchmark: str, found: re.Match[str]) -> Figure:
    bound = _BOUND.search(found["rest"])
    side, most = bound.groups() if bound else (None, None)
    return Figure(
        benchmark, found["words"].strip(" :") or "to its peer", found["value"], found["unit"] or "", side, most
    )


def page(runs: list[Run], machine: str) -> str:
    """The whole page, as Markdown."""
    rows = [figure.row() for run in runs for figure in run.figures]
    rows += [f"| {run.name} | did not end well (status {run.status}) | | | **no** |" for run in runs if _broke(run)]
    parts = [
        "# Benchmarks",
        "A ratio compares ours with a peer: both run in turn, in one run on one machine, so that a ratio means more "
        "than its parts; below 1 ours is quicker. A figure in ms is a budget. `make bench` writes this page again.",
        f"Measured on {machine}.",
        "\n".join(["| benchmark | measured | figure | promised | kept |", "| --- | --- | ---: | --- | --- |", *rows]),
    ]
    parts += [f"## {run.name}\n\n{run.title}\n\n```text\n{run.output.rstrip()}\n```" for run in runs]
    return "\n\n".join(parts) + "\n"


def _broke(run: Run) -> bool:
    """Ended badly without a broken promise to show for it."""
    return run.status != 0 and all(figure.holds for figure in run.figures)
