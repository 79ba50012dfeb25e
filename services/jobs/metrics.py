"""What Prometheus sees of jobs; an autoscaler of workers looks at those queued and running together.

It is of the whole cluster, and every jobs server tells the same of it: take the largest, never the sum."""

from collections.abc import Iterable, Mapping

from prometheus_client import Gauge, Metric
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

from convscope.services.common.jobs.kinds import KINDS
from convscope.services.common.jobs.records import Count
from convscope.services.common.telemetry.metrics import REGISTRY

QUEUED = Gauge(
    "convscope_jobs_queued", "Jobs that wait for a worker, in the whole cluster", ["kind"], registry=REGISTRY
)
RUNNING = Gauge("convscope_jobs_running", "Jobs that workers hold, in the cluster", registry=REGISTRY)
ENDS = (Count.SUCCEEDED, Count.FAILED, Count.CANCELLED)


class JobCounts(Collector):
    """What the store has counted, as it was last read."""

    def __init__(self) -> None:
        self.counts: Mapping[tuple[Count, str], int] = {}

    def collect(self) -> Iterable[Metric]:
        accepted = CounterMetricFamily("convscope_jobs_accepted", "Jobs accepted, in the cluster", labels=["kind"])
        begun = CounterMetricFamily("convscope_jobs_attempts", "Attempts that workers began", labels=["kind"])
        recovered = CounterMetricFamily(
            "convscope_jobs_recovered", "Attempts whose worker went away, in the cluster", labels=["kind"]
        )
        ended = CounterMetricFamily(
            "convscope_jobs_ended", "Jobs that have ended, by how, in the cluster", labels=["kind", "state"]
        )
        families = {Count.ACCEPTED: accepted, Count.BEGUN: begun, Count.RECOVERED: recovered}
        for kind in KINDS:
            for what, family in families.items():
                family.add_metric([kind], self.counts.get((what, kind), 0))
            for end in ENDS:
                ended.add_metric([kind, end], self.counts.get((end, kind), 0))
        return [*families.values(), ended]


COUNTS = JobCounts()
REGISTRY.register(COUNTS)
