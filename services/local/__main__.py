"""python -m convscope.services.local: a whole cluster until Ctrl-C."""

import signal
import sys

from pydantic import ValidationError
from pydantic_settings import CliApp

from convscope.services.common.parent_death import on_parent_death
from convscope.services.common.server import stop_on_signals
from convscope.services.common.settings import fault
from convscope.services.local.cluster import Cluster, ClusterError, running, write_addresses
from convscope.services.local.settings import LocalSettings


def main() -> int:
    try:
        settings = CliApp.run(LocalSettings)
    except ValidationError as error:
        say(f"error: {fault(error)}")
        return 1
    stop = stop_on_signals()
    if settings.with_parent:
        on_parent_death(signal.SIGTERM)
    try:
        with running(settings) as cluster:
            say("starting ...")
            if cluster.wait_until_ready(stop):
                write_addresses(cluster, settings.data_dir)
                say(describe(cluster, settings))
                cluster.watch(stop)
            say("stopping ...")
    except (ClusterError, OSError) as error:
        say(f"error: {error}")
        return 1
    return 0


def describe(cluster: Cluster, settings: LocalSettings) -> str:
    page = [] if cluster.page is None else [f"  page     {cluster.page}"]
    return "\n".join(
        [
            "convscope is up; Ctrl-C stops it",
            *page,
            f"  gRPC     {cluster.server}",
            f"  metrics  http://{settings.host}:{cluster.metrics_port}/metrics",
            f"  store    {cluster.store_url}",
            f"  logs     {cluster.logs}",
        ]
    )


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
