"""What is told of an ordeal: the load that was held, faults, recoveries, latencies, what processes hold."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.account import OK, Account, Call, percentile
from tests.chaos.footprint import Footprint

CALLS = ("attribute", "compare", "classify", "search", "list jobs", "hand in", "get job", "result", "cancel")
"""Kinds of calls that are answered as quickly as can be; a stream waits for its caller, a watch for its job."""
EXPLANATIONS = ("attribute", "compare", "classify")
OF_JOBS = ("list jobs", "hand in", "get job", "result")


@dataclass(frozen=True)
class Recovery:
    """One fault, and how it went over."""

    fault: str
    """Its kind, and what it happened to."""
    phase: str
    held: float
    """Seconds from the fault to the beginning of its healing."""
    recovered: float
    """From there until every part was well."""
    without: Mapping[str, float]
    """The longest time without a right answer meanwhile: of explanations, and of the jobs servers."""


@dataclass
class Report:
    """Filled as an ordeal goes on."""

    seed: int
    account: Account
    recoveries: list[Recovery] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each phase lasted."""
    before: Mapping[str, Footprint] = field(default_factory=dict)
    after: Mapping[str, Footprint] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Markdown."""
        yield f"Seed {self.seed}."
        yield ""
        yield from self._load()
        yield ""
        yield from self._failures()
        yield ""
        yield from self._faults()
        yield ""
        yield from self._footprints()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _load(self) -> Iterator[str]:
        yield "| phase | seconds | calls a second | jobs a second | p50 | p99 | explanations p50 | p99 |"
        yield "|---|---|---|---|---|---|---|---|"
        for phase, seconds in self.seconds.items():
            calls = [call for call in self.account.in_phase(phase) if call.kind in CALLS]
            jobs = sum(job.phase == phase and bool(job.end) for job in self.account.jobs)
            every, explaining = latencies(calls, CALLS), latencies(calls, EXPLANATIONS)
            yield (
                f"| {phase} | {seconds:.0f} | {len(calls) / seconds:.1f} | {jobs / seconds:.2f} "
                f"| {_told(every, 0.5)} | {_told(every, 0.99)} | {_told(explaining, 0.5)} | {_told(explaining, 0.99)} |"
            )

    def _failures(self) -> Iterator[str]:
        yield "| phase | calls | answered | " + "failed |"
        yield "|---|---|---|---|"
        for phase in self.seconds:
            calls = self.account.in_phase(phase)
            counts = Counter(call.status for call in calls)
            failed = ", ".join(f"{status} {count}" for status, count in counts.items() if status != OK)
            yield f"| {phase} | {len(calls)} | {counts[OK]} | {failed or 'none'} |"
        jobs = [job for job in self.account.jobs if job.accepted]
        ends = Counter(job.end for job in jobs)
        yield ""
        yield (
            f"{len(jobs)} jobs accepted: {', '.join(f'{count} {end}' for end, count in ends.items())}; "
            f"{sum(job.resumed for job in jobs)} went on elsewhere, "
            f"{max((job.attempts for job in jobs), default=0)} attempts at most."
        )

    def _faults(self) -> Iterator[str]:
        yield (
            "| fault | times | held, s | recovered within, s: median, longest "
            "| without an explanation, s, at most | without the jobs servers, s, at most |"
        )
        yield "|---|---|---|---|---|---|"
        found: dict[str, list[Recovery]] = defaultdict(list)
        for one in self.recoveries:
            found[one.fault].append(one)
        for fault, times in sorted(found.items()):
            recovered = [one.recovered for one in times]
            gaps = [max(one.without[kind] for one in times) for kind in ("explanations", "jobs")]
            held = [one.held for one in times]
            yield (
                f"| {fault} | {len(times)} | {min(held):.1f} to {max(held):.1f} | {percentile(recovered, 0.5):.1f}, "
                f"{max(recovered):.1f} | {gaps[0]:.1f} | {gaps[1]:.1f} |"
            )

    def _footprints(self) -> Iterator[str]:
        yield "| part | before | after |"
        yield "|---|---|---|"
        for name, before in self.before.items():
            yield f"| {name} | {before} | {self.after.get(name, 'gone')} |"


def latencies(calls: Sequence[Call], kinds: Sequence[str]) -> list[float]:
    """Of those that were answered rightly, seconds."""
    return [call.seconds for call in calls if call.kind in kinds and call.status == OK]


def _told(seconds: Sequence[float], share: float) -> str:
    return f"{1000 * percentile(seconds, share):.0f} ms"
