"""The Celery worker: a parent that takes messages, and children that take jobs."""

import os
import signal
from typing import Any

import structlog
from billiard import current_process
from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_shutting_down

from convscope.services.common.jobs.messages import TASK, celery_app, queue_of
from convscope.workers.child import Child
from convscope.workers.exposition import serve_worker_metrics
from convscope.workers.flag import Flag
from convscope.workers.heartbeat import heartbeat, patient_consumer
from convscope.workers.probe import alive_file
from convscope.workers.settings import WorkerSettings

log = structlog.get_logger()
# A child imports torch and loads models before it says that it is there.
START_SECONDS = 300
# From the soft limit, at which a job fails, to the hard one, at which its child is killed.
GRACE_SECONDS = 60


class Worker:
    """Runs until SIGTERM, which lets every job be handed on at its next step."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._leaving, self._failed = Flag(), Flag()
        self._child: Child | None = None
        self._app = self._make_app()

    def run(self) -> int:
        """The exit status."""
        # Celery keeps receivers by weak references only.
        worker_process_init.connect(self._start_child, weak=False)
        worker_shutting_down.connect(self._leave, weak=False)
        # Celery's own log lines are written as all others are.
        setup_logging.connect(_leave_logs_alone, weak=False)
        if self._settings.metrics_port:
            serve_worker_metrics(self._settings.host, self._settings.metrics_port)
        worker = self._app.Worker(
            pool_cls="prefork",
            concurrency=self._settings.children,
            queues=[queue_of(kind) for kind in self._settings.kinds],
            loglevel="WARNING",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )
        worker.start()
        if self._settings.heartbeat_file is not None:
            alive_file(self._settings.heartbeat_file).unlink(missing_ok=True)
        return 1 if self._failed else int(worker.exitcode or 0)

    def _make_app(self) -> Celery:
        settings = self._settings
        app = celery_app(settings.store())
        app.conf.update(
            worker_prefetch_multiplier=1,
            worker_disable_prefetch=True,
            worker_enable_remote_control=False,
            worker_hijack_root_logger=False,
            worker_redirect_stdouts=False,
            worker_proc_alive_timeout=START_SECONDS,
            worker_cancel_long_running_tasks_on_connection_loss=False,
        )
        if settings.heartbeat_file is not None:
            app.steps["consumer"].add(heartbeat(settings.heartbeat_file))
            app.conf.worker_consumer = patient_consumer(settings.heartbeat_file)
        limits = {"soft_time_limit": settings.job_seconds, "time_limit": settings.job_seconds + GRACE_SECONDS}
        app.task(self._work, name=TASK, **limits)
        return app

    def _work(self, kind: str) -> None:
        if self._child is not None:
            self._child.work(kind)

    def _start_child(self, **_: Any) -> None:
        try:
            self._child = Child(self._settings, self._leaving, current_process().index)
        except Exception as error:
            # Celery would log it and begin another child, for ever.
            log.error("cannot start", error=str(error))
            self._failed.set()
            os.kill(os.getppid(), signal.SIGTERM)

    def _leave(self, **_: Any) -> None:
        log.info("leaving; jobs are handed on")
        self._leaving.set()


def _leave_logs_alone(**_: Any) -> None:
    """See configure_logs."""
