"""Long work, under way or done."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from google.longrunning.operations_pb2 import Operation  # type: ignore[import-untyped,unused-ignore]

from convscope.client import job_plans
from convscope.client.arguments import check_integer, check_seconds, check_text
from convscope.client.caller import Caller
from convscope.client.collection_parse import Reading
from convscope.client.errors import ClientError
from convscope.client.job_events import Event
from convscope.client.job_info import Artifact, JobInfo
from convscope.client.job_parse import success_of, to_synthesis
from convscope.client.resuming import Resuming
from convscope.client.synthesis import Synthesis, check_parts
from convscope.client.transfer import Transfer
from convscope.client.watching import Watch

R = TypeVar("R")
WAIT_SECONDS = 30.0
"""The longest that a server is asked to think about an answer."""
ANSWER_SECONDS = 10.0
"""What the answer may take on top."""


class LongWork:
    """What all jobs have in common, whatever they make."""

    def __init__(self, caller: Caller, name: str) -> None:
        self._caller = caller
        self.name = name
        """jobs/{job}."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def state(self) -> str:
        """queued, running, succeeded, failed or cancelled; the server is asked. Raises NotFound."""
        return self.info().state

    def info(self, *, timeout: float | None = None) -> JobInfo:
        """How it stands now. Raises NotFound."""
        return self._caller.run(job_plans.get_job(self.name), timeout)

    def watch(self, after: int = 0, timeout: float | None = None) -> Iterator[Event]:
        """What happens to it: Progress, Preview and StateChange, until it has ended.

        A lost connection is made again, and no event comes twice or is missed; one whose number is not that of its
        predecessor plus one follows events that the server keeps no more. after: number of the last event that is
        known; 0: from the first that is kept. timeout: seconds for the whole watch, after which it raises
        DeadlineExceeded; None: no limit. Raises Unavailable after a minute without any server, NotFound.
        """
        watch = Watch(self.name, check_integer("after", after, bits=64))
        return self._caller.follow(watch, Resuming(self.name, check_seconds("timeout", timeout)), self.name)

    def wait(self, timeout: float | None = None) -> JobInfo:
        """Wait for its end, and fetch nothing.

        timeout: seconds, after which it raises DeadlineExceeded and the job goes on; None: no limit. Raises the job's
        own error where it failed, Cancelled where it was cancelled, Unavailable after a minute without any server.
        """
        return success_of(self._wait(check_seconds("timeout", timeout)))

    def cancel(self, *, timeout: float | None = None) -> None:
        """Ask for its end. It comes with the next step; a job that has ended stays as it is. Raises NotFound."""
        self._caller.run(job_plans.cancel_job(self.name), timeout)

    def delete(self, *, timeout: float | None = None) -> None:
        """Delete its record and its files. Raises NotFound."""
        self._caller.run(job_plans.delete_job(self.name), timeout)

    def download(self, artifact: str) -> bytes:
        """A file that it has left, by its name (values.npy).

        A lost connection is made again and the file taken up where it was. Raises NotFound, FailedPrecondition before
        the job has succeeded, ServerFault for a file that arrives damaged, Unavailable after a minute without any
        server.
        """
        return b"".join(self._fetch(self._artifact(artifact)))

    def download_to(self, artifact: str, path: str | Path) -> Path:
        """download() into a file, which is there once it is whole. Gives its path. Raises OSError as well."""
        record = self._artifact(artifact)
        whole = Path(path)
        part = whole.with_name(f"{whole.name}.part")
        try:
            with part.open("wb") as file:
                file.writelines(self._fetch(record))
            part.replace(whole)
        finally:
            part.unlink(missing_ok=True)
        return whole

    def _artifact(self, name: str) -> Artifact:
        check_text("name", name, "UNKNOWN_ARTIFACT")
        return self.info().artifact(name)

    def _fetch(self, artifact: Artifact) -> Iterator[bytes]:
        transfer = Transfer(self.name, artifact)
        yield from self._caller.follow(transfer, Resuming(transfer.name, None), transfer.name)
        transfer.check()

    def _wait(self, timeout: float | None) -> Operation:
        resuming = Resuming(self.name, timeout)
        while True:
            seconds = resuming.wait_seconds(WAIT_SECONDS)
            try:
                operation = self._caller.run(job_plans.wait_for_job(self.name, seconds), seconds + ANSWER_SECONDS)
            except ClientError as error:
                pause = resuming.lost(error)
            else:
                if operation.done:
                    return operation
                pause = resuming.idle()
            time.sleep(pause)


class Job(LongWork):
    """Long work of a cluster, which goes on whether anybody waits for it or not. Client gives it; it stays usable as
    long as the client is open."""

    def result(self, timeout: float | None = None, *, parts: Iterable[str] | None = None) -> Synthesis:
        """Wait for its end and fetch the files that it has left.

        timeout: seconds to wait for its end, after which it raises DeadlineExceeded and the job goes on; None: no
        limit. parts: what is fetched, of images, values, history and way, of an inversion and of an adversarial picture
        original, of the latter perturbation, of a recipe that keeps one chain, where they were asked for examples;
        None: all that there is. Gives an Adversarial where that was made. Raises
        the job's own error where it failed, Cancelled where it was cancelled, NotFound for a part that the job does
        not have, FailedPrecondition for work on a collection, Unavailable after a minute without any server,
        ServerFault for a file that arrives damaged.
        """
        chosen = check_parts(parts)
        made = to_synthesis(self._wait(check_seconds("timeout", timeout)))
        return replace(made, files={one.name: b"".join(self._fetch(one)) for one in made.artifacts(chosen)})


class CollectionJob(LongWork, Generic[R]):
    """Long work on a collection, whose result is an Imported, a CollectionIndex, a CollectionMap, an Evaluation, an
    AttentionEvaluation or a TrainedPrior. Collection gives it; otherwise it is as every Job."""

    def __init__(self, caller: Caller, name: str, read: Reading[R]) -> None:
        super().__init__(caller, name)
        self._read = read

    def result(self, timeout: float | None = None) -> R:
        """Wait for its end and fetch the files that it has left, where they are part of its result.

        timeout: seconds to wait for its end, after which it raises DeadlineExceeded and the job goes on; None: no
        limit. Raises the job's own error where it failed, Cancelled where it was cancelled, Unavailable after a minute
        without any server, ServerFault for a file that arrives damaged.
        """
        ending = self._read(self._wait(check_seconds("timeout", timeout)))
        return ending.made({one.name: b"".join(self._fetch(one)) for one in ending.files})
