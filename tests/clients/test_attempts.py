"""When a call that a server has sent away is made again."""

import pytest

from convscope.client import Cancelled, ClientError, ResourceExhausted, ServerFault, Unavailable
from convscope.client.attempts import MOST, Attempts
from convscope.client.errors import CLIENT_CLOSED

SENT_AWAY: list[ClientError] = [
    Unavailable("the server is stopping", reason="SERVER_STOPPING", status="UNAVAILABLE"),
    Cancelled("gRPC has stopped", status="CANCELLED"),
    ServerFault("Internal error from Core", status="INTERNAL"),
]
LASTING: list[ClientError] = [
    Unavailable("no server", status="UNAVAILABLE"),
    Unavailable("no store", reason="STORE_AWAY", status="UNAVAILABLE"),
    Cancelled("the client was closed", reason=CLIENT_CLOSED, status="CANCELLED"),
    ResourceExhausted("full", reason="SERVER_BUSY", status="RESOURCE_EXHAUSTED", retry_after=0.2),
    ServerFault("a defect", status="INTERNAL"),
]


@pytest.mark.parametrize("error", SENT_AWAY, ids=str)
def test_what_was_sent_away_is_tried_again_a_few_times_after_ever_longer_pauses(error: ClientError) -> None:
    attempts = Attempts(30.0)
    pauses = []
    for _ in range(MOST - 1):
        assert 29 < attempts.seconds() <= 30
        pauses.append(attempts.pause(error))
    assert pauses[0] <= 0.05
    assert pauses == sorted(pauses)
    attempts.seconds()
    with pytest.raises(type(error)) as caught:
        attempts.pause(error)
    assert caught.value is error


@pytest.mark.parametrize("error", LASTING, ids=str)
def test_what_lasts_or_grpc_has_tried_already_is_raised(error: ClientError) -> None:
    attempts = Attempts(30.0)
    attempts.seconds()
    with pytest.raises(type(error)) as caught:
        attempts.pause(error)
    assert caught.value is error


def test_nothing_is_tried_after_the_deadline() -> None:
    attempts = Attempts(0.0)
    assert attempts.seconds() == 0
    with pytest.raises(Unavailable):
        attempts.pause(SENT_AWAY[0])
