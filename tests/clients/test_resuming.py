"""When a call that lost its server is made again, and when it is given up."""

import pytest

from convscope.client import ClientError, DeadlineExceeded, ResourceExhausted, Unavailable, resuming
from convscope.client.errors import CLIENT_CLOSED, Cancelled, InvalidArgument, ServerFault
from convscope.client.resuming import LONGEST_PAUSE, Resuming

PASSING: list[ClientError] = [
    Unavailable("gone", status="UNAVAILABLE"),
    Unavailable("going away", reason="SERVER_STOPPING", status="UNAVAILABLE"),
    Cancelled("stopped", status="CANCELLED"),
    DeadlineExceeded("late", status="DEADLINE_EXCEEDED"),
    ServerFault("Received RST_STREAM with error code 2", status="INTERNAL"),
    ResourceExhausted("full", status="RESOURCE_EXHAUSTED", retry_after=0.01),
]
LASTING: list[ClientError] = [
    InvalidArgument("wrong", status="INVALID_ARGUMENT"),
    ServerFault("a defect", status="INTERNAL"),
    ServerFault("damaged"),
    ResourceExhausted("too large", status="RESOURCE_EXHAUSTED"),
    Cancelled("the client was closed", reason=CLIENT_CLOSED, status="CANCELLED"),
]


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_what_passes_is_tried_again_after_ever_longer_pauses(error: ClientError) -> None:
    wait = Resuming("a job", None)
    pauses = [wait.lost(error) for _ in range(20)]
    assert 0 < pauses[0] <= 0.1
    assert LONGEST_PAUSE / 2 <= pauses[-1] <= LONGEST_PAUSE


@pytest.mark.parametrize("error", LASTING, ids=str)
def test_what_lasts_is_raised(error: ClientError) -> None:
    with pytest.raises(type(error)) as caught:
        Resuming("a job", None).lost(error)
    assert caught.value is error


def test_a_full_server_is_asked_again_when_it_says() -> None:
    full = ResourceExhausted("full", status="RESOURCE_EXHAUSTED", retry_after=7.0)
    assert Resuming("a job", None).lost(full) == 7.0
    assert 4.0 < Resuming("a job", 5.0).lost(full) <= 5.0, "but never later than the timeout"


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_patience_has_an_end(error: ClientError, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "PATIENCE", 0.0)
    wait = Resuming("a job", None)
    wait.lost(error)
    wait.heard()
    wait.lost(error)
    with pytest.raises((Unavailable, ResourceExhausted), match=error.message):
        wait.lost(error)


def test_a_stream_that_lasted_had_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "PATIENCE", 0.0)
    monkeypatch.setattr(resuming, "ALIVE_SECONDS", 0.0)
    wait = Resuming("a job", None)
    for _ in range(3):
        assert wait.stream_seconds() == resuming.STREAM_SECONDS
        wait.lost(PASSING[0])
    wait.wait_seconds(30)
    with pytest.raises(Unavailable):
        wait.lost(PASSING[0])


def test_after_the_timeout_nothing_is_tried_again() -> None:
    wait = Resuming("jobs/1", 0.0)
    assert wait.stream_seconds() == wait.wait_seconds(30) == 0
    with pytest.raises(DeadlineExceeded, match="jobs/1 has not ended after 0 s; it goes on"):
        wait.lost(PASSING[0])
    with pytest.raises(DeadlineExceeded):
        wait.idle()
