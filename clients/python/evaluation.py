"""How good explanations are, over a collection of images."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from convscope.client.collection_info import in_number
from convscope.client.errors import ServerFault
from convscope.client.job_info import JobInfo

REPORT, PAGE, CHART = "report.json", "report.html", "chart.svg"
RANDOM = "random"
"""What a map drawn at random is called, which is measured beside the methods."""
SOURCES = {
    "people": "compared with where people looked",
    "truth": "compared with the masks, the truth, for there are no attention maps of people",
}
"""What the maps of methods were compared with, in words."""
# Between them three decimals tell enough.
SMALLEST, LARGEST = 1e-3, 1e5


@dataclass(frozen=True)
class Estimate:
    """A mean over examples."""

    mean: float
    standard_error: float | None
    """Of the mean; None of fewer than two examples."""
    count: int
    """Examples that have a value."""

    def __str__(self) -> str:
        """0.136 ± 0.004 (120)."""
        if not self.count:
            return "none (0)"
        scale = max(abs(self.mean), self.standard_error or 0)
        figures = ".3f" if scale == 0 or SMALLEST <= scale < LARGEST else ".2e"
        error = "" if self.standard_error is None else f" ± {self.standard_error:{figures}}"
        return f"{self.mean:{figures}}{error} ({self.count})"


@dataclass(frozen=True)
class MethodEvaluation:
    """What was measured of a method."""

    method: str
    """With the parameters that were given: grad_cam, grad_cam(layer=features.3); or random."""
    estimates: Mapping[str, Estimate]
    """By each metric that means something for it, in their order."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good methods are by metrics. The files are here; they are read when asked for."""

    job: JobInfo
    """The job that measured, as it ended."""
    collection: str
    """collections/{collection}."""
    example_count: int
    """Examples that were looked at."""
    methods: tuple[MethodEvaluation, ...]
    """The table: the methods in their order, then random."""
    files: Mapping[str, bytes] = field(repr=False)
    """report.json, report.html, and of attention chart.svg."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """All by which any method was measured, in their order."""
        return tuple(dict.fromkeys(metric for one in self.methods for metric in one.estimates))

    @cached_property
    def report(self) -> dict[str, Any]:
        """The whole, with every example."""
        try:
            report = json.loads(self.files[REPORT])
        except ValueError as error:
            raise ServerFault(f"{REPORT} cannot be read: {error}") from error
        if not isinstance(report, dict):
            raise ServerFault(f"{REPORT} holds no object")
        return report

    @property
    def page(self) -> str:
        """The report to read, HTML; it needs no other file."""
        return self._text(PAGE)

    def __str__(self) -> str:
        """4 methods by 3 metrics, 120 examples."""
        return f"{self._methods()} by {in_number(len(self.metrics), 'metric')}, {self._examples()}"

    def save(self, folder: str | Path) -> list[Path]:
        """Write the files into a folder, which is made where there is none. Gives their paths. Raises OSError."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            (place / name).write_bytes(data)
        return [place / name for name in self.files]

    def _methods(self) -> str:
        return in_number(sum(one.method != RANDOM for one in self.methods), "method")

    def _examples(self) -> str:
        return in_number(self.example_count, "example")

    def _text(self, name: str) -> str:
        try:
            return self.files[name].decode()
        except UnicodeDecodeError as error:
            raise ServerFault(f"{name} cannot be read: {error}") from error


@dataclass(frozen=True, eq=False)
class AttentionEvaluation(Evaluation):
    """How well methods agree with where people looked, by rank correlation."""

    source: str
    """What the maps were compared with: people, their attention maps; truth, the masks, where there are none."""

    @property
    def chart(self) -> str:
        """The table drawn, SVG."""
        return self._text(CHART)

    def __str__(self) -> str:
        """4 methods, 120 examples, compared with where people looked."""
        return f"{self._methods()}, {self._examples()}, {SOURCES.get(self.source, self.source)}"
