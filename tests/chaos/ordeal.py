"""A cluster under load: calm, then struck, then restarted part by part, then troubled for as long as it lasts."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from tests.chaos.account import Account, Call
from tests.chaos.cluster import Cluster
from tests.chaos.faults import Fault, Restarted, each_that_kills, each_that_spares, that_kill, that_spare
from tests.chaos.footprint import Footprint, footprint
from tests.chaos.load import Calm, Load
from tests.chaos.report import EXPLANATIONS, OF_JOBS, Recovery, Report

CALM, FAULTS, RESTART, TROUBLE = "calm", "faults", "rolling restart", "trouble"
# In faults calls are not waited for as long as in peace, so that some run out of time.
PATIENCE, IMPATIENCE = 30.0, 4.0
WARM_SECONDS = 2.0
KILLED_SECONDS, SPARED_SECONDS = 0.3, 0.8
# Of faults at random, so many come with another one at the same time.
TWICE = 0.3
US = "the callers"


@dataclass
class Ordeal:
    """One cluster's."""

    cluster: Cluster
    calm: Calm
    load: Load
    report: Report
    account: Account = field(init=False)

    def __post_init__(self) -> None:
        self.account = self.report.account

    def strike(self, fault: Fault, hold: float) -> None:
        """Let a fault happen for so long, and wait until all is well again."""
        begun = time.monotonic()
        fault.strike()
        time.sleep(hold)
        healing = time.monotonic()
        fault.heal()
        self.cluster.wait_until_well(fault.part)
        well = time.monotonic()
        without = {
            name: self.account.longest_gap(kinds, begun, well)
            for name, kinds in (("explanations", EXPLANATIONS), ("jobs", OF_JOBS))
        }
        self.report.recoveries.append(
            Recovery(fault.what, self.account.phase, healing - begun, well - healing, without)
        )

    def strike_together(self, faults: Sequence[Fault], hold: float) -> None:
        """Several at once, of parts that are not the same."""
        with ThreadPoolExecutor(len(faults)) as pool:
            list(pool.map(lambda fault: self.strike(fault, hold), faults))

    def restart_everything(self) -> None:
        """In two halves, the second when the first is ready; then the store, of which there is one."""
        (attribution, other_attribution), (jobs, other_jobs) = self.cluster.attribution, self.cluster.jobs
        first, *rest = self.cluster.workers
        for parts in ((attribution, jobs, first), (other_attribution, other_jobs, *rest)):
            self.strike_together([Restarted(part) for part in parts], hold=0)
        self.strike(Restarted(self.cluster.store), hold=0)

    @contextmanager
    def phase(self, name: str, patience: float) -> Iterator[None]:
        """The load is on within the block; behind it every accepted job has ended."""
        self.account.phase, self.load.patience = name, patience
        begun = time.monotonic()
        self.load.start()
        yield
        self.report.seconds[name] = time.monotonic() - begun
        self.load.stop()

    def explained(self, phase: str) -> list[Call]:
        """The explanations that were asked for."""
        return [call for call in self.account.in_phase(phase) if call.kind in EXPLANATIONS]

    def footprints(self) -> dict[str, Footprint]:
        return {**self.cluster.footprints(), US: footprint([os.getpid()])}


def in_turn(ordeal: Ordeal) -> None:
    """Each kind of fault once."""
    cluster = ordeal.cluster

    def kill() -> None:
        for faults in each_that_kills(cluster):
            ordeal.strike_together(faults, KILLED_SECONDS)

    def spare() -> None:
        for fault in each_that_spares(cluster):
            ordeal.strike(fault, SPARED_SECONDS)

    _go_through(ordeal, kill, spare)


def at_random(ordeal: Ordeal, seconds: float) -> None:
    """Any fault, at any part, for a time that is drawn too: half of the time those that kill are among them."""
    random, cluster = Random(ordeal.report.seed), ordeal.cluster

    def drawn(faults: Sequence[Fault]) -> None:
        # What happens is drawn first: there are many ways and one store.
        kinds = sorted({fault.what for fault in faults})

        def draw() -> Fault:
            kind = random.choice(kinds)
            return random.choice([fault for fault in faults if fault.what == kind])

        end = time.monotonic() + seconds / 2
        while time.monotonic() < end:
            first, second = draw(), draw()
            both = random.random() < TWICE and second.part is not first.part
            ordeal.strike_together([first, second] if both else [first], random.uniform(0.2, 6))
            time.sleep(random.uniform(0, 3))

    every = [*that_kill(cluster), *that_spare(cluster)]
    _go_through(ordeal, lambda: drawn(every), lambda: drawn(that_spare(cluster)))


def _go_through(ordeal: Ordeal, faults: Callable[[], None], trouble: Callable[[], None]) -> None:
    with ordeal.phase(CALM, PATIENCE):
        time.sleep(WARM_SECONDS)
    with ordeal.phase(FAULTS, IMPATIENCE):
        faults()
    with ordeal.phase(RESTART, PATIENCE):
        ordeal.restart_everything()
        time.sleep(WARM_SECONDS)
    ordeal.report.before = ordeal.footprints()
    with ordeal.phase(TROUBLE, IMPATIENCE):
        trouble()
    ordeal.report.after = ordeal.footprints()
