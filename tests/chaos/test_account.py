"""The account tells what must not be: without that, nothing that it says would prove anything."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from convscope.client import Cancelled, ServerFault, StateChange, Unavailable
from convscope.client.job_events import Event
from tests.chaos.account import OK, WRONG, Account, JobStory, percentile

TIME = datetime(2026, 1, 1, tzinfo=UTC)


def told(*states: str) -> list[Event]:
    """Events of a job, from the first."""
    return [StateChange(number, TIME, state, 1, "") for number, state in enumerate(states, 1)]


def story(events: Sequence[Event], end: str, *, checked: bool = True, **fields: bool) -> JobStory:
    return JobStory("dream", "call", "calm", name="jobs/a", events=list(events), end=end, checked=checked, **fields)


SUCCEEDED = told("queued", "running", "succeeded")
GOOD = {
    "as it should": story(SUCCEEDED, "succeeded"),
    "handed on": story(told("queued", "running", "queued", "running", "succeeded"), "succeeded"),
    "cancelled": story(told("queued", "cancelled"), "cancelled", checked=False, to_cancel=True),
    "cancelled too late": story(SUCCEEDED, "succeeded", to_cancel=True, cancelled=True),
}
BAD = {
    "two ends": (story(told("queued", "succeeded", "succeeded"), "succeeded"), "told the ends"),
    "no end": (story(told("queued", "running"), ""), "has not ended"),
    "another end in the record": (story(SUCCEEDED, "failed"), "its record failed"),
    "failed": (story(told("queued", "failed"), "failed"), "it failed"),
    "cancelled by nobody": (story(told("queued", "cancelled"), "cancelled"), "it cancelled"),
    "an event is missing": (story(SUCCEEDED[1:], "succeeded"), "numbers [2, 3]"),
    "an event came twice": (story([*SUCCEEDED[:2], SUCCEEDED[1], SUCCEEDED[2]], "succeeded"), "numbers [1, 2, 2, 3]"),
    "another result": (story(SUCCEEDED, "succeeded", checked=False), "nobody has seen its result"),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_job_that_ended_once_is_no_flaw(case: str) -> None:
    account = Account()
    account.jobs.append(GOOD[case])
    assert account.flaws() == []


@pytest.mark.parametrize("case", BAD)
def test_a_job_that_did_not_end_as_it_should_is_told(case: str) -> None:
    job, words = BAD[case]
    account = Account()
    account.jobs.append(job)
    assert any(words in flaw for flaw in account.flaws()), account.flaws()


def test_one_job_of_two_calls_is_told() -> None:
    account = Account()
    account.jobs += [story(SUCCEEDED, "succeeded"), story(SUCCEEDED, "succeeded")]
    assert account.flaws() == ["jobs/a is the job of 2 calls"]


def raising(error: Exception) -> Callable[[], str]:
    def call() -> str:
        raise error

    return call


def refuse(found: str) -> None:
    raise AssertionError(f"{found} is not the answer")


def test_what_came_of_each_call_is_noted() -> None:
    account = Account()
    assert account.ask("a", lambda: "answer") == "answer"
    account.phase = "faults"
    assert account.ask("b", raising(Unavailable("gone", status="UNAVAILABLE"))) is None
    assert account.ask("c", raising(Cancelled("gone", status="CANCELLED"))) is None
    assert account.failed("calm") == []
    assert [call.status for call in account.failed("faults")] == ["UNAVAILABLE", "CANCELLED"]
    assert account.forbidden() == []
    assert account.ask("d", lambda: "another", refuse) is None
    assert account.ask("e", raising(ServerFault("a defect", status="INTERNAL"))) is None
    assert account.ask("f", raising(ServerFault("damaged"))) is None
    assert [(call.kind, call.status) for call in account.forbidden()] == [
        ("d", WRONG), ("e", "INTERNAL"), ("f", "ServerFault"),
    ]  # fmt: skip
    assert "another is not the answer" in str(account.forbidden()[0])


def test_what_is_no_error_of_a_call_is_not_passed_over() -> None:
    with pytest.raises(ZeroDivisionError):
        Account().ask("a", raising(ZeroDivisionError()))


def test_the_longest_time_without_an_answer() -> None:
    account = Account()
    for kind in ("a", "b"):
        account.ask(kind, lambda: OK)
    first = account.calls[0]
    assert account.longest_gap(["a"], first.began - 2, first.began + 5) == pytest.approx(5, abs=0.1)
    assert account.longest_gap(["c"], first.began - 2, first.began + 5) == 7


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert percentile([], 0.5) == 0
    assert [percentile(list(range(100)), share) for share in (0, 0.5, 0.99, 1)] == [0, 50, 99, 99]
