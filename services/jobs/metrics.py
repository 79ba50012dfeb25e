"""What Prometheus sees of jobs; an autoscaler of workers looks at the sum of both."""

from prometheus_client import Gauge

from convscope.services.common.metrics import REGISTRY

QUEUED = Gauge(
    "convscope_jobs_queued", "Jobs that wait for a worker, in the whole cluster", ["kind"], registry=REGISTRY
)
RUNNING = Gauge("convscope_jobs_running", "Jobs that workers hold, in the cluster", registry=REGISTRY)
