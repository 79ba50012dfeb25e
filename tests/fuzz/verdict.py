"""What no answer may be."""

from google.protobuf.message import Message

from tests.fuzz.cluster import WAITING, Cluster, Outcome, Target, parsed, refusals_in
from tests.fuzz.contract import Rpc
from tests.fuzz.tally import TALLY
from tests.fuzz.vitals import Vitals
from tests.processes import wait_until
from tests.services.test_bad_input import has_field

# Of requests that can be read. Not among them: INTERNAL, UNKNOWN, UNAVAILABLE, DEADLINE_EXCEEDED.
EXPECTED = ("OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "PERMISSION_DENIED")
UNREADABLE = "REQUEST_UNREADABLE"
MOST_DETAILS = 3 * 1024
# Megabytes. 60 000 inputs took 32 of the attribution server and 38 of the jobs server, nearly all of it at first: what
# is loaded when it is first needed, and arenas.
MOST_GROWTH = 100
# A thread and a handle more now and then: gRPC adds them when several calls end late. Thousands of inputs do not.
MOST_HANDLES = 8
MOST_THREADS = 8


def look(
    cluster: Cluster,
    target: Target,
    rpc: Rpc,
    outcome: Outcome,
    *,
    counted_as: str,
    request: Message | None = None,
    more: tuple[str, ...] = (),
) -> None:
    """Raises AssertionError where the answer is not one of the contract. request: where it was a message. more:
    statuses that are right here, too."""
    TALLY.note(counted_as, outcome.status)
    cluster.assert_alive()
    # Health has a List since lately, which we do not answer.
    foreign = () if rpc.ours else ("UNIMPLEMENTED",)
    allowed = (*EXPECTED, *more, *foreign, *(("DEADLINE_EXCEEDED",) if rpc.path in WAITING else ()))
    log = "\n".join(target.process.log[-5:])
    assert outcome.status in allowed, f"{rpc.path}: {outcome.refusal}\n{log}"
    for answer in outcome.answers:
        parsed(rpc, answer)
    for refused in refusals_in(rpc, outcome):
        assert refused.code in allowed, f"{rpc.path}: {refused}\n{log}"
        assert refused.size < MOST_DETAILS, refused
        assert refused.message, refused
        if rpc.ours and refused.code == "INVALID_ARGUMENT":
            assert refused.reason, refused
            assert refused.field or refused.reason == UNREADABLE, refused
            if request is not None:
                assert has_field(request, refused.field), f"{rpc.path}: {refused}"
    cluster.tidy(rpc, outcome)


def assert_as_before(cluster: Cluster) -> None:
    """Good requests get the answers that they got at first, and nothing has piled up."""
    cluster.assert_alive()
    assert cluster.good_answers() == cluster.answers
    for name, before in cluster.before.items():
        pid = cluster.targets[name].pid

        def settled(pid: int = pid, before: Vitals = before) -> bool:
            return Vitals.of(pid).handles <= before.handles + MOST_HANDLES

        wait_until(settled, f"the {name} server to close what it has opened: {before}, {Vitals.of(pid)}")
        now = Vitals.of(pid)
        TALLY.notes.append(f"{name}: {before} before; {now} after")
        assert now.megabytes - before.megabytes < MOST_GROWTH, f"{name}: {before} before; {now} after"
        assert now.threads <= before.threads + MOST_THREADS, f"{name}: {before} before; {now} after"
