"""What Prometheus sees of a worker. Its children count into files that all of them share, and their parent adds up."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from convscope.services.common.jobs.kinds import KINDS

# Of nobody: what is served is read from the children's files, see exposition.py.
REGISTRY = CollectorRegistry()

_SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600)
_CHECKPOINT_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)

RUNNING = Gauge(
    "convscope_worker_jobs_running",
    "Jobs that this worker holds",
    ["kind"],
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
ATTEMPTS = Counter(
    "convscope_worker_attempts",
    "Attempts at jobs that are over, by what came of them",
    ["kind", "outcome"],
    registry=REGISTRY,
)
ATTEMPT_SECONDS = Histogram(
    "convscope_worker_attempt_seconds",
    "Time that an attempt at a job took",
    ["kind"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
STEPS = Counter("convscope_worker_steps", "Steps of jobs that were done", ["kind", "model"], registry=REGISTRY)
CHECKPOINT_SECONDS = Histogram(
    "convscope_worker_checkpoint_seconds",
    "Time that it took to write a checkpoint",
    ["kind"],
    buckets=_CHECKPOINT_SECONDS,
    registry=REGISTRY,
)
CHECKPOINTED = Gauge(
    "convscope_worker_checkpoint_timestamp_seconds",
    "When the job that a child holds was last safe: begun or checkpointed; 0 while it holds none",
    registry=REGISTRY,
    multiprocess_mode="liveall",
)
STORE_AWAY = Counter("convscope_worker_store_away", "Times that the store did not answer a worker", registry=REGISTRY)

# There from the start, at 0; and with them the files that children count into, for which a full disk has no room later.
for _kind in KINDS:
    RUNNING.labels(_kind)
    ATTEMPT_SECONDS.labels(_kind)
    CHECKPOINT_SECONDS.labels(_kind)
