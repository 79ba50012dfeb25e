"""An index of a collection, made in this process as a worker makes it."""

from pathlib import Path

from convscope.engine.models.catalogue import Catalogue
from convscope.services.common.jobs.artifacts import Artifacts
from convscope.services.common.jobs.job import File
from convscope.services.common.jobs.kinds import INDEX_COLLECTION
from convscope.workers.index_work import IndexWork
from convscope.workers.work import Bench
from tests.services.jobs.server import Jobs

INDEXED = ("features.0", "features.3", "classifier")
PATCHES = 4


def carry_out(jobs: Jobs, catalogue: Path) -> None:
    """The indexing job that is queued."""
    lease = jobs.claim(INDEX_COLLECTION)
    model = Catalogue.read(catalogue).load(lease.model)
    work = IndexWork(Bench(lease, Artifacts(f"file://{jobs.folder}"), lambda _: model, jobs.store, threads=1))
    while not work.over:
        work.advance()
    result, files = work.leave(_keep)
    work.close()
    jobs.records.succeed(lease, result, files)


def _keep(name: str, media_type: str, data: bytes) -> File:
    raise AssertionError(f"an index leaves no file of its job, but {name}, {media_type}, {len(data)} bytes")
