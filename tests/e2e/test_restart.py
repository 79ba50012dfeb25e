"""The server is killed under load and started again: who calls it then is answered."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from convscope.client import Attribution, Client, ClientError, Unavailable
from tests.clients.answers import assert_same_answer
from tests.processes import serving, wait_until

MODEL = "efficientnet_lite0"
CALLERS = 8
CALLS_AFTERWARDS = 5


@dataclass(frozen=True)
class Outcome:
    """One call of one caller."""

    caller: int
    began: float
    answer: Attribution | ClientError


def test_after_a_kill_and_a_restart_no_call_fails(cat_path: Path) -> None:
    outcomes: list[Outcome] = []
    enough = threading.Event()

    with serving() as first, Client.connect(first.address) as client, ThreadPoolExecutor(CALLERS) as callers:

        def ask() -> Attribution:
            return client.attribute(cat_path, model=MODEL, method="grad_cam")

        def call_on(caller: int) -> None:
            while not enough.is_set():
                began = time.monotonic()
                try:
                    outcomes.append(Outcome(caller, began, ask()))
                except ClientError as error:
                    outcomes.append(Outcome(caller, began, error))

        def all_have_called(times: int, *, since: float) -> bool:
            calls = Counter(one.caller for one in list(outcomes) if one.began > since)
            return all(calls[caller] >= times for caller in range(CALLERS))

        expected = ask()
        running = [callers.submit(call_on, caller) for caller in range(CALLERS)]
        try:
            wait_until(lambda: all_have_called(1, since=0), "every caller has called", 60)
            first.kill()
            with serving(port=first.address.rpartition(":")[2]) as second:
                assert second.address == first.address
                with Client.connect(second.address) as probe:
                    wait_until(probe.ready, "health says SERVING")
                back = time.monotonic()
                wait_until(lambda: all_have_called(CALLS_AFTERWARDS, since=back), "every caller calls again", 60)
                enough.set()
                for caller in running:
                    caller.result()
        finally:
            enough.set()

    failed_since = [one.answer for one in outcomes if one.began > back and isinstance(one.answer, ClientError)]
    assert failed_since == []
    failed_before = {type(one.answer) for one in outcomes if isinstance(one.answer, ClientError)}
    assert failed_before <= {Unavailable}
    for one in outcomes:
        if isinstance(one.answer, Attribution):
            assert_same_answer(one.answer, expected)
