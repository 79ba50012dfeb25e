"""What Prometheus sees of the attribution server."""

from prometheus_client import Counter, Gauge, Histogram

from convscope.services.common.telemetry.metrics import REGISTRY

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_LABELS = ("method", "model")

ANSWERS = Counter("convscope_answers", "Explanations given", _LABELS, registry=REGISTRY)
ANSWER_SECONDS = Histogram(
    "convscope_answer_seconds", "Time from acceptance to answer", _LABELS, buckets=_SECONDS, registry=REGISTRY
)
BATCH_SIZE = Histogram(
    "convscope_batch_size", "Pictures in one pass", _LABELS, buckets=(1, 2, 4, 8, 16, 32, 64), registry=REGISTRY
)
QUEUED = Gauge("convscope_queued", "Pictures waiting for the model", ["model"], registry=REGISTRY)
DROPPED = Counter(
    "convscope_dropped", "Pictures dropped unprocessed: nobody waited any more", ["model"], registry=REGISTRY
)
CACHE_ANSWERS = Counter("convscope_cache_answers", "Answers from the cache", _LABELS, registry=REGISTRY)
