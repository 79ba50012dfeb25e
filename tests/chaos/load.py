"""A mixed load through the SDK: explanations, streams, searches, and jobs that are watched, fetched and cancelled."""

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any

from convscope.client import Client
from convscope.client.job_events import ENDED
from tests.chaos.account import WRONG, Account, JobStory
from tests.chaos.cluster import Cluster
from tests.chaos.orders import BY_NAME, ORDERS, Order
from tests.chaos.questions import QUICK, STREAMS, Question, Search

EXPLAINERS, STREAMERS, SEARCHERS, JOB_CALLERS = 3, 1, 1, 3
# Between two calls of one caller: the machine has to carry the callers, too.
PAUSE_SECONDS = 0.1
# Of the jobs one in so many is cancelled on its way.
CANCELLED = 6
LISTED = 20
CALM_SECONDS = 300.0
SETTLE_SECONDS = 120.0


@dataclass(frozen=True)
class Calm:
    """What the cluster answers while nothing happens to it."""

    answers: Mapping[Question, Any]
    made: Mapping[str, Mapping[str, Any]]
    """By the name of an order."""
    searches: Sequence[Question]

    @classmethod
    def of(cls, cluster: Cluster) -> "Calm":
        """Asked one after the other, of jobs all at once."""
        with (
            Client.connect(cluster.attribution_target, timeout=CALM_SECONDS) as attribution,
            Client.connect(cluster.jobs_target, timeout=CALM_SECONDS) as jobs,
        ):
            begun = [(order, order.hand_in(jobs, uuid.uuid4().hex, CALM_SECONDS)) for order in ORDERS]
            made = {order.name: order.made(job.result(CALM_SECONDS)) for order, job in begun}
            (indexed,) = jobs.collections()
            searches = [Search(indexed.name, channel) for channel in range(3)]
            questions = [*QUICK, *STREAMS, *searches]
            answers = {question: question.ask(attribution, CALM_SECONDS) for question in questions}
        return cls(answers, made, searches)


@dataclass
class Load:
    """Callers in threads, from start() to stop()."""

    cluster: Cluster
    calm: Calm
    account: Account
    seed: int
    patience: float = 30.0
    """Seconds that a call is given."""
    _clients: ExitStack = field(default_factory=ExitStack)
    _threads: list[threading.Thread] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _broken: list[BaseException] = field(default_factory=list)

    def start(self) -> None:
        """Its clients stay from one start to the next."""
        if not self._threads:
            self._attribution = self._clients.enter_context(Client.connect(self.cluster.attribution_target))
            self._jobs = self._clients.enter_context(Client.connect(self.cluster.jobs_target))
        self._over.clear()
        callers = [self._explain] * EXPLAINERS + [self._stream] * STREAMERS + [self._search] * SEARCHERS
        callers += [self._hand_in] * JOB_CALLERS + [self._list]
        self._threads = [
            threading.Thread(
                target=self._call_on,
                args=[caller, Random(f"{self.seed} {place}")],
                name=f"caller-{place}",
                daemon=True,
            )
            for place, caller in enumerate(callers)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every caller finish what it is at; then see to it that every accepted job has ended."""
        self._over.set()
        for thread in self._threads:
            thread.join(SETTLE_SECONDS)
            assert not thread.is_alive(), f"{thread.name} waits for ever"
        assert not self._broken, self._broken
        for story in self.account.jobs:
            if story.accepted and not story.end:
                self._follow(story, self._jobs.job(story.name, timeout=30))

    def close(self) -> None:
        self._over.set()
        self._clients.close()

    def _call_on(self, caller: Callable[[Random], None], random: Random) -> None:
        try:
            while not self._over.wait(PAUSE_SECONDS):
                caller(random)
        except BaseException as error:
            self._broken.append(error)
            raise

    def _explain(self, random: Random) -> None:
        self._ask(random.choice(QUICK))

    def _stream(self, random: Random) -> None:
        self._ask(random.choice(STREAMS))

    def _search(self, random: Random) -> None:
        self._ask(random.choice(self.calm.searches))

    def _ask(self, question: Question) -> None:
        expected = self.calm.answers[question]
        self.account.ask(
            question.kind,
            lambda: question.ask(self._attribution, self.patience),
            lambda found: question.compare(found, expected),
        )

    def _list(self, random: Random) -> None:
        self.account.ask(
            "list jobs",
            lambda: [job.name for job in islice(self._jobs.jobs(timeout=self.patience), LISTED)],
            _all_others,
        )

    def _hand_in(self, random: Random) -> None:
        order = random.choice(ORDERS)
        story = self.account.story(order.name, uuid.uuid4().hex, to_cancel=not random.randrange(CANCELLED))
        job: Any = None
        # Whether a call that failed was carried out is found out by the same call, under the same name.
        while job is None:
            job = self.account.ask("hand in", lambda: order.hand_in(self._jobs, story.request_id, self.patience))
            if job is None and self._over.wait(PAUSE_SECONDS):
                return
        story.name = job.name
        self._follow(story, job)

    def _follow(self, story: JobStory, job: Any) -> None:
        """Watch a job to its end, then look at what it has made."""
        while not story.end:
            self.account.ask("watch", lambda: self._watch(story, job))
            info = self.account.ask("get job", lambda: job.info(timeout=self.patience))
            if info is not None and info.state in ENDED:
                story.end, story.attempts = info.state, info.attempts
        while story.end == "succeeded" and not story.checked:
            story.checked = self._fetch(BY_NAME[story.order], job)

    def _fetch(self, order: Order, job: Any) -> bool:
        """Look at what a job has made. False where the call failed."""
        calls = len(self.account.calls)
        made = self.account.ask(
            "result",
            lambda: order.made(job.result(self.patience)),
            lambda found: _equal(found, self.calm.made[order.name]),
        )
        # What is wrong once stays so, and is told.
        return made is not None or any(call.status == WRONG for call in self.account.calls[calls:])

    def _watch(self, story: JobStory, job: Any) -> bool:
        after = story.events[-1].number if story.events else 0
        for event in job.watch(after):
            story.events.append(event)
            if story.to_cancel and not story.cancelled and len(story.events) >= 5:
                story.cancelled = self.account.ask("cancel", lambda: self._cancel(job)) is not None
        return True

    def _cancel(self, job: Any) -> bool:
        job.cancel(timeout=self.patience)
        return True


def _all_others(names: Sequence[str]) -> None:
    assert len(set(names)) == len(names), "a job is listed twice"


def _equal(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for name in {*expected, *found}:
        assert found.get(name) == expected.get(name), f"{name} is not what an undisturbed job makes"
