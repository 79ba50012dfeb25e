"""The record of every job, and the only ways in which it changes.

                   accept                        finish
    (nothing) ───────────────▶ QUEUED ─┐      ┌────────────▶ SUCCEEDED
                               ▲  ▲ │  │claim │
              release, hand    │  │ │  └──▶ RUNNING ───────▶ FAILED      finish with a failure that stays, or the
              the work on      └──┼─┼───────┘ │ │                        last attempt spent (finish, reap)
                                  │ │         │ │
              attempts are left   └─┼─────────┘ └──────────▶ CANCELLED   finish after cancel, reap after cancel
              (finish, reap)        └──────────────────────▶ CANCELLED   cancel

    ended: SUCCEEDED, FAILED, CANCELLED. Nothing leaves them but `delete`.

Each change is one script, which the store runs alone, by its own clock. RUNNING is held by a lease: the worker renews
it (`renew`, `step`), and every call of the worker brings the lease's token. A token that is not the record's is
refused, so that a worker that was away for longer than its lease can change nothing: one result is seen.

    convscope:job:{id}            hash    the record
    convscope:events:{id}         stream  numbered events, the last EVENTS of them; ids are {number}-0
    convscope:jobs                zset    every job, by the time of its acceptance
    convscope:queue:{kind}        zset    QUEUED, in the order in which they are taken: priority, then arrival
    convscope:running             zset    RUNNING, by the end of the lease
    convscope:ended               zset    ended, by the time at which they may be deleted
    convscope:queued-by           hash    caller -> how many of its jobs are QUEUED
    convscope:counts              hash    what happened to jobs since the store began -> how often, see Count
    convscope:request:{length}:{caller}:{request_id}   string  the job that this call made; of the caller's length
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum, StrEnum
from typing import Any

import redis

from convscope.services.common.errors import QuotaExceeded, RequestIdReused
from convscope.services.common.jobs.job import Failure, File, Job, Lease, NewJob, Progress, State
from convscope.services.common.jobs.kinds import LASTING_KINDS
from convscope.services.common.newest import Place, newest
from convscope.services.common.resource_names import JOBS

EVENTS = 1000
EXPIRED_AT_ONCE = 100
# A store that was away has kept workers from renewing their leases; once it is back they have RENEWAL_SECONDS to do it,
# which they try every second. What came to it SILENCE_SECONDS late has waited for it.
SILENCE_SECONDS, RENEWAL_SECONDS = 1.5, 3.0

_PRELUDE = """
local function job(id) return 'convscope:job:' .. id end
local function queue(kind) return 'convscope:queue:' .. kind end
local function get(id, name) return redis.call('HGET', job(id), name) end
-- Both may have colons in them.
local function call_of(caller, request) return 'convscope:request:' .. #caller .. ':' .. caller .. ':' .. request end

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1e6
local function text(time) return string.format('%.6f', time) end

local function tell(id, kind, ...)
  local number = redis.call('HINCRBY', job(id), 'last_event', 1)
  redis.call('XADD', 'convscope:events:' .. id, 'MAXLEN', EVENTS, number .. '-0',
    'kind', kind, 'time', text(now), ...)
end

local function count(id, what) redis.call('HINCRBY', 'convscope:counts', what .. ':' .. get(id, 'kind'), 1) end

local function change(id, state, message)
  redis.call('HSET', job(id), 'state', state)
  tell(id, 'state', 'state', state, 'attempt', get(id, 'attempts'), 'message', message or '')
end

local function line_up(id)
  redis.call('ZADD', queue(get(id, 'kind')), get(id, 'place'), id)
  redis.call('HINCRBY', 'convscope:queued-by', get(id, 'caller'), 1)
end

local function step_out(id)
  redis.call('ZREM', queue(get(id, 'kind')), id)
  local caller = get(id, 'caller')
  if redis.call('HINCRBY', 'convscope:queued-by', caller, -1) <= 0 then
    redis.call('HDEL', 'convscope:queued-by', caller)
  end
end

local function let_go(id)
  redis.call('ZREM', 'convscope:running', id)
  redis.call('HDEL', job(id), 'token', 'owner')
end

local function finish(id, state, message)
  redis.call('HSET', job(id), 'ended', text(now))
  redis.call('HDEL', job(id), 'checkpoint')
  if state ~= 'succeeded' or get(id, 'lasting') ~= '1' then
    local expires = now + tonumber(get(id, 'retention'))
    redis.call('HSET', job(id), 'expires', text(expires))
    redis.call('ZADD', 'convscope:ended', expires, id)
  end
  count(id, state)
  change(id, state, message)
end

local function again_or_fail(id, message)
  let_go(id)
  if get(id, 'cancel') then
    finish(id, 'cancelled')
  elseif tonumber(get(id, 'attempts')) < tonumber(get(id, 'max_attempts')) then
    line_up(id)
    change(id, 'queued', message)
  else
    finish(id, 'failed', message)
  end
end

local function held(id, token) return get(id, 'token') == token end
local function hold(id, seconds) redis.call('ZADD', 'convscope:running', now + seconds, id) end
""".replace("EVENTS", str(EVENTS), 1)

_ACCEPT = """
local id, kind, caller, request, digest = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local priority, most, most_each, retention = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local name = call_of(caller, request)
-- The store's client asks again where the connection broke before the answer came.
if get(id, 'digest') then return {'accepted', id} end
if request ~= '' then
  local first = redis.call('GET', name)
  if first and get(first, 'digest') == digest then return {'accepted', first} end
  if first and get(first, 'digest') then return {'reused', first} end
end
local all = 0
for _, one in ipairs(KEYS) do all = all + redis.call('ZCARD', one) end
if all >= most then return {'full', 'all'} end
if tonumber(redis.call('HGET', 'convscope:queued-by', caller) or 0) >= most_each then return {'full', 'caller'} end
local place = (9 - priority) * 1e14 + redis.call('INCR', 'convscope:arrivals')
redis.call('HSET', job(id), 'kind', kind, 'caller', caller, 'digest', digest, 'request', request,
  'priority', priority, 'place', string.format('%.0f', place), 'attempts', 0, 'last_event', 0, 'created', text(now),
  'retention', retention, unpack(ARGV, 10))
redis.call('ZADD', 'convscope:jobs', now, id)
if request ~= '' then redis.call('SET', name, id) end
line_up(id)
count(id, 'accepted')
change(id, 'queued')
return {'accepted', id}
"""

_CLAIM = """
local kind, owner, seconds = ARGV[1], ARGV[2], tonumber(ARGV[3])
local first = redis.call('ZRANGE', queue(kind), 0, 0)[1]
if not first then return false end
step_out(first)
local token = redis.call('INCR', 'convscope:fence')
redis.call('HSET', job(first), 'token', token, 'owner', owner)
redis.call('HINCRBY', job(first), 'attempts', 1)
redis.call('HSETNX', job(first), 'started', text(now))
hold(first, seconds)
count(first, 'begun')
change(first, 'running')
return {first, token, get(first, 'attempts'), get(first, 'model'), get(first, 'spec'), get(first, 'checkpoint'),
  get(first, 'correlation_id'), get(first, 'trace')}
"""

_STEP = """
local id, token, seconds, progress, jpeg = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
if not held(id, token) then return 'lost' end
hold(id, seconds)
if progress ~= '' then
  redis.call('HSET', job(id), 'progress', progress)
  tell(id, 'progress', 'progress', progress)
  if jpeg ~= '' then tell(id, 'preview', 'step', cjson.decode(progress)['step'], 'jpeg', jpeg) end
end
return get(id, 'cancel') and 'cancel' or 'go on'
"""

_CHECKPOINT = """
local id, token, path = ARGV[1], ARGV[2], ARGV[3]
if not held(id, token) then return {'lost', ''} end
local before = get(id, 'checkpoint') or ''
redis.call('HSET', job(id), 'checkpoint', path)
return {'go on', before}
"""

_FINISH = """
local id, token, state, result, files, failure, again, message = unpack(ARGV)
if not held(id, token) then return 'lost' end
if failure ~= '' then redis.call('HSET', job(id), 'failure', failure) end
if again == '1' then
  again_or_fail(id, message)
  return get(id, 'state')
end
let_go(id)
if get(id, 'cancel') then state = 'cancelled' end
if state == 'succeeded' then
  redis.call('HSET', job(id), 'result', result, 'files', files)
  redis.call('HDEL', job(id), 'failure')
end
finish(id, state, state == 'failed' and message or '')
return state
"""

_RELEASE = """
local id, token, message = ARGV[1], ARGV[2], ARGV[3]
if not held(id, token) then return 'lost' end
redis.call('HINCRBY', job(id), 'attempts', -1)
let_go(id)
if get(id, 'cancel') then
  finish(id, 'cancelled')
else
  line_up(id)
  change(id, 'queued', message)
end
return get(id, 'state')
"""

_CANCEL = """
local id = ARGV[1]
local state = get(id, 'state')
if not state then return false end
if state == 'queued' then
  redis.call('HSET', job(id), 'cancel', 1)
  step_out(id)
  finish(id, 'cancelled')
elseif state == 'running' then
  redis.call('HSET', job(id), 'cancel', 1)
end
return get(id, 'state')
"""

_REAP = """
local sent, patient, away = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
if away == '1' or now - sent > SILENCE then patient = now + RENEWAL end
local gone = {}
if now >= patient then gone = redis.call('ZRANGEBYSCORE', 'convscope:running', '-inf', now) end
for _, id in ipairs(gone) do
  count(id, 'recovered')
  local message = 'the worker ' .. get(id, 'owner') .. ' went away'
  redis.call('HSET', job(id), 'failure', cjson.encode({status = 'UNAVAILABLE', reason = 'WORKER_LOST',
    message = message .. ' in attempt ' .. get(id, 'attempts')}))
  again_or_fail(id, message)
end
return {text(now), text(patient), gone}
""".replace("SILENCE", str(SILENCE_SECONDS), 1).replace("RENEWAL", str(RENEWAL_SECONDS), 1)

# After every time.
_FAR = 1e12

_DELETE = """
local id = ARGV[1]
local state = get(id, 'state')
if state == 'queued' or state == 'running' then return state end
redis.call('ZREM', 'convscope:jobs', id)
redis.call('ZREM', 'convscope:ended', id)
if not state then return false end
local name = call_of(get(id, 'caller'), get(id, 'request'))
if redis.call('GET', name) == id then redis.call('DEL', name) end
redis.call('DEL', job(id), 'convscope:events:' .. id)
return 'deleted'
"""


class Verdict(Enum):
    """What a worker hears when it reports."""

    GO_ON = b"go on"
    CANCEL = b"cancel"
    """Somebody has asked for the end; finish the job as cancelled."""
    LOST = b"lost"
    """The job is somebody else's, or over; drop it."""


class Count(StrEnum):
    """What happens to jobs, as the store counts it in the same script that does it."""

    ACCEPTED = "accepted"
    BEGUN = "begun"
    """Attempts that workers began."""
    RECOVERED = "recovered"
    """Attempts whose worker went away."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Reaping:
    """What came of a look for lost workers."""

    at: float
    """When it was, by the store's clock."""
    heard: float
    """When its answer came, by that of this process."""
    patient: float
    """Until when, by the store's clock, nobody is taken for lost, because the store was away."""
    gone: list[str]
    """The jobs that were taken back, by their ids."""

    def now(self) -> float:
        """What the store's clock says now."""
        return self.at + time.monotonic() - self.heard


class JobRecords:
    """All jobs of a store. Every method may raise redis.RedisError; a script is run whole or not at all."""

    def __init__(self, store: redis.Redis, kinds: Sequence[str]) -> None:
        """kinds: every kind of work; their queues count together."""
        self._store = store
        self._queues = [f"convscope:queue:{kind}" for kind in kinds]

        def script(body: str) -> Any:
            return store.register_script(_PRELUDE + body)

        self._accept, self._claim, self._step = script(_ACCEPT), script(_CLAIM), script(_STEP)
        self._checkpoint, self._finish, self._release = script(_CHECKPOINT), script(_FINISH), script(_RELEASE)
        self._cancel, self._reap, self._delete = script(_CANCEL), script(_REAP), script(_DELETE)

    def accept(self, new: NewJob, *, limit: int, caller_limit: int, retention: float) -> str:
        """Queue a job; its id, or that of the job that the same call of the same caller made before.

        limit, caller_limit: jobs QUEUED in all, and of one caller. retention: seconds for which it is kept once it has
        ended; one of LASTING_KINDS that has succeeded stays. Raises QuotaExceeded, RequestIdReused.
        """
        spec = json.dumps(new.spec, sort_keys=True)
        asked = json.dumps([new.kind, new.model, new.spec, new.priority], sort_keys=True)
        digest = hashlib.sha256(asked.encode()).hexdigest()
        answer, detail = self._accept(
            keys=self._queues,
            args=[
                *(new.id, new.kind, new.caller, new.request_id, digest, new.priority, limit, caller_limit, retention),
                *("model", new.model, "spec", spec, "max_attempts", new.max_attempts),
                *("correlation_id", new.correlation_id, "trace", new.trace),
                *("lasting", int(new.kind in LASTING_KINDS)),
            ],
        )
        if answer == b"full":
            raise QuotaExceeded(
                new.caller if detail == b"caller" else "", caller_limit if detail == b"caller" else limit
            )
        if answer == b"reused":
            raise RequestIdReused(new.request_id, JOBS + detail.decode())
        return str(detail.decode())

    def claim(self, kind: str, owner: str, lease_seconds: float) -> Lease | None:
        """Take the next job of a kind; None where none is queued."""
        found = self._claim(args=[kind, owner, lease_seconds])
        if found is None:
            return None
        id, token, attempt, model, spec, checkpoint, correlation_id, trace = found
        return Lease(
            id=id.decode(),
            token=int(token),
            attempt=int(attempt),
            kind=kind,
            model=model.decode(),
            spec=json.loads(spec),
            checkpoint=(checkpoint or b"").decode(),
            correlation_id=(correlation_id or b"").decode(),
            trace=(trace or b"").decode(),
        )

    def renew(self, lease: Lease, seconds: float) -> Verdict:
        """Hold the job for so long from now."""
        return Verdict(self._step(args=[lease.id, lease.token, seconds, "", ""]))

    def step(self, lease: Lease, seconds: float, progress: Progress, jpeg: bytes = b"") -> Verdict:
        """Renew, and tell a step and, where there is one, a preview."""
        return Verdict(self._step(args=[lease.id, lease.token, seconds, json.dumps(asdict(progress)), jpeg]))

    def checkpoint(self, lease: Lease, path: str) -> tuple[Verdict, str]:
        """Let whoever comes next begin at `path`; with the path of the checkpoint before, which is needed no more."""
        answer, before = self._checkpoint(args=[lease.id, lease.token, path])
        return Verdict(answer), before.decode()

    def succeed(self, lease: Lease, result: dict[str, Any], files: Sequence[File]) -> State | None:
        """Commit what was made; None where the lease was lost. A cancel that came before makes it CANCELLED."""
        written = json.dumps([asdict(file) for file in files])
        return self._finished([lease.id, lease.token, State.SUCCEEDED, json.dumps(result), written, "", "", ""])

    def fail(self, lease: Lease, failure: Failure, *, again: bool) -> State | None:
        """Commit a failure; None where the lease was lost. again: try once more while attempts are left."""
        reason = json.dumps(asdict(failure))
        return self._finished(
            [lease.id, lease.token, State.FAILED, "", "", reason, "1" if again else "", failure.message]
        )

    def stop(self, lease: Lease) -> State | None:
        """Commit that the job was cancelled; None where the lease was lost."""
        return self._finished([lease.id, lease.token, State.CANCELLED, "", "", "", "", ""])

    def _finished(self, arguments: list[Any]) -> State | None:
        answer = self._finish(args=arguments).decode()
        return None if answer == "lost" else State(answer)

    def release(self, lease: Lease, message: str) -> State | None:
        """Hand the job on, to go on from its checkpoint; the attempt does not count. None where the lease was lost."""
        answer = self._release(args=[lease.id, lease.token, message]).decode()
        return None if answer == "lost" else State(answer)

    def cancel(self, id: str) -> State | None:
        """Ask for the end: at once where it is queued, at its next step where it runs. The state; None: no such job."""
        answer = self._cancel(args=[id])
        return None if answer is None else State(answer.decode())

    def reap(self, before: Reaping | None = None, *, away: bool = False) -> Reaping:
        """Take the jobs back whose leases have run out. before: what came of the last time; None: there was none. away:
        whether the store has been away since."""
        known = [before.now(), before.patient] if before else [_FAR, 0]
        at, patient, gone = self._reap(args=[*known, int(away)])
        return Reaping(float(at), time.monotonic(), float(patient), [id.decode() for id in gone])

    def delete(self, id: str) -> State | None:
        """Forget a job that has ended. The state in which it was kept; None: it is no more, or never was."""
        answer = self._delete(args=[id])
        return None if answer in (None, b"deleted") else State(answer.decode())

    def find(self, id: str) -> Job | None:
        """A snapshot; None: no such job."""
        record: Any = self._store.hgetall(f"convscope:job:{id}")
        return Job.read(id, record) if record else None

    def named(self, caller: str, request_id: str) -> bool:
        """Whether a call of that name has made a job that is still there."""
        id: Any = self._store.get(f"convscope:request:{len(caller.encode())}:{caller}:{request_id}")
        return id is not None and bool(self._store.exists(f"convscope:job:{id.decode()}"))

    def queued(self, kind: str) -> int:
        """How many jobs of a kind wait."""
        return int(self._store.zcard(f"convscope:queue:{kind}"))

    def counts(self) -> dict[tuple[Count, str], int]:
        """How often what happened to jobs of each kind, since the store began."""
        found: Any = self._store.hgetall("convscope:counts")
        named = {tuple(name.decode().split(":", 1)): int(count) for name, count in found.items()}
        return {(Count(what), kind): count for (what, kind), count in named.items()}

    def running(self) -> int:
        """How many jobs are held by workers."""
        return int(self._store.zcard("convscope:running"))

    def expired(self) -> list[str]:
        """Jobs that have ended and been kept for as long as they should, by this machine's clock; a hundred at most."""
        found: Any = self._store.zrangebyscore("convscope:ended", "-inf", time.time(), 0, EXPIRED_AT_ONCE)
        return [id.decode() for id in found]

    def before(self, place: Place | None, count: int) -> list[Place]:
        """The newest jobs, with the times of their acceptance, which are their places in the list; those that come
        after `place` in it, if any."""
        return newest(self._store, "convscope:jobs", place, count)

    def snapshots(self, ids: Sequence[str]) -> list[Job]:
        """Several at once, without those that are no more."""
        pipeline = self._store.pipeline(transaction=False)
        for id in ids:
            pipeline.hgetall(f"convscope:job:{id}")
        return [Job.read(id, record) for id, record in zip(ids, pipeline.execute(), strict=True) if record]
