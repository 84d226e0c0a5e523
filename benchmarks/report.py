"""From what benchmarks print to one table of ratios: a benchmark says `ratio to PEER 1.18 (at most 1.25)` on a line."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RATIO = re.compile(r"^\s*ratio\b(?P<words>\D*?)\s+(?P<ratio>\d+\.\d+)\b(?P<rest>.*)$")
_BOUND = re.compile(r"at (most|least) (\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ours against a peer's; `bound` is what was promised, or None where the ratio is for information."""

    benchmark: str
    words: str
    ratio: str
    side: str | None
    bound: str | None

    @property
    def holds(self) -> bool:
        """Whether the promise is kept."""
        if self.bound is None:
            return True
        if self.side == "least":
            return float(self.ratio) >= float(self.bound)
        return float(self.ratio) <= float(self.bound)

    def row(self) -> str:
        """A line of the table."""
        promise = f"at {self.side} {self.bound}" if self.bound else "for information"
        verdict = ("yes" if self.holds else "**no**") if self.bound else ""
        return f"| {self.benchmark} | {self.words} | {self.ratio} | {promise} | {verdict} |"


@dataclass(frozen=True, slots=True)
class Run:
    """One benchmark: what it compares, what it printed, and how it ended."""

    name: str
    title: str
    output: str
    status: int

    @property
    def ratios(self) -> list[Ratio]:
        """Every ratio it printed."""
        return [_ratio(self.name, found) for found in map(_RATIO.match, self.output.splitlines()) if found]


def _ratio(benchmark: str, found: re.Match[str]) -> Ratio:
    bound = _BOUND.search(found["rest"])
    side, most = bound.groups() if bound else (None, None)
    return Ratio(benchmark, found["words"].strip() or "to its peer", found["ratio"], side, most)


def page(runs: list[Run], machine: str) -> str:
    """The whole page, as Markdown."""
    rows = [ratio.row() for run in runs for ratio in run.ratios]
    rows += [f"| {run.name} | did not end well (status {run.status}) | | | **no** |" for run in runs if _broke(run)]
    parts = [
        "# Benchmarks",
        "Each benchmark runs ours and its peer in turn, in one run on one machine, so that a ratio means more than its "
        "parts. Below 1 ours is quicker. `make bench` writes this page again.",
        f"Measured on {machine}.",
        "\n".join(["| benchmark | compared | ratio | promised | kept |", "| --- | --- | ---: | --- | --- |", *rows]),
    ]
    parts += [f"## {run.name}\n\n{run.title}\n\n```text\n{run.output.rstrip()}\n```" for run in runs]
    return "\n\n".join(parts) + "\n"


def _broke(run: Run) -> bool:
    """Ended badly without a broken promise to show for it."""
    return run.status != 0 and all(ratio.holds for ratio in run.ratios)
