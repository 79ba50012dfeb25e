"""What lives in a child of the worker, from its start to its end."""

import os
import signal
import socket

import redis
import structlog

from convscope.services.common.collections.shards import Shards
from convscope.services.common.jobs.artifacts import Artifacts
from convscope.services.common.jobs.job import Lease
from convscope.services.common.jobs.kinds import KINDS, SHARED_KINDS
from convscope.services.common.jobs.records import JobRecords
from convscope.services.common.parent_death import on_parent_death
from convscope.services.common.store import connect
from convscope.services.common.telemetry.logs import configure_logs
from convscope.services.common.telemetry.traces import configure_traces, end_traces
from convscope.workers.flag import Flag
from convscope.workers.settings import WorkerSettings

log = structlog.get_logger()


class Child:
    """Made after the fork, for torch, CUDA and connections do not survive one."""

    def __init__(self, settings: WorkerSettings, leaving: Flag, place: int) -> None:
        """leaving: set by the parent when jobs are to be handed on. place: which of the children it is, from 0."""
        # Here, because the parent must not have torch.
        import torch

        from convscope.engine.models.catalogue import BUILT_IN, Catalogue
        from convscope.engine.models.model import Model
        from convscope.services.common.cards import publish_card
        from convscope.workers.job_run import JobRun
        from convscope.workers.kinds import PLANS
        from convscope.workers.part_work import help_with
        from convscope.workers.warm_models import WarmModels
        from convscope.workers.work import Bench

        # It would go on with its job, but nobody could stop it any more.
        on_parent_death(signal.SIGKILL)
        configure_logs(settings.log_format, settings.log_level)
        configure_traces(settings.traces_endpoint, "convscope worker")
        torch.set_num_threads(settings.threads_each)
        self._settings = settings
        self._leaving = leaving
        self._store = connect(settings.store())
        self._records = JobRecords(self._store, KINDS)
        self._shards = Shards(self._store)
        artifacts = Artifacts(settings.artifacts_url)
        self._owner = f"{socket.gethostname()}-{os.getpid()}"

        def publish(model: Model) -> None:
            try:
                publish_card(self._store, model)
            except redis.RedisError as error:
                log.warning("the store is away", error=str(error))

        models = WarmModels(
            Catalogue.read(settings.catalogue or BUILT_IN), settings.device_of(place), settings.model_memory, publish
        )
        for name in settings.models:
            models.get(name)

        def carry_out(lease: Lease) -> None:
            JobRun(
                lease,
                records=self._records,
                artifacts=artifacts,
                store=self._store,
                models=models,
                leaving=leaving,
                settings=settings,
            )()

        def help_out(lease: Lease) -> None:
            bench = Bench(lease, artifacts, models.get, self._store, threads=settings.threads_each)
            help_with(PLANS[lease.kind](bench), lambda: bool(leaving))

        self._carry_out = carry_out
        self._help_out = help_out
        log.info("takes jobs", worker=self._owner)

    def work(self, kind: str) -> None:
        """Take the next job of a kind, if there is one, and carry it out."""
        if self._leaving:
            return
        lease = self._records.claim(kind, self._owner, self._settings.lease_seconds)
        if lease is not None:
            self._carry_out(lease)
            end_traces()  # a child may be killed before it would send them by itself
        elif kind in SHARED_KINDS:
            self._help(kind)

    def _help(self, kind: str) -> None:
        """Take parts of jobs of a kind that other workers hold."""
        for shared in self._shards.wanting_help(kind):
            job = self._records.find(shared.job)
            if job is not None:
                # Without a token: a helper changes nothing of the job's record.
                lease = Lease(job.id, token=0, attempt=job.attempts, kind=job.kind, model=job.model, spec=job.spec)
                try:
                    self._help_out(lease)
                except Exception as error:  # the job's own worker meets it too, and tells it
                    log.warning("cannot help", job=job.id, error=str(error))
