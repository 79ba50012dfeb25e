"""Takes pictures of calls through their model."""

from collections.abc import Sequence

from convscope.engine.attribution.batch import Progress, unwatched
from convscope.engine.attribution.target import Target
from convscope.engine.errors import ConvscopeError
from convscope.engine.models.model import Model
from convscope.services.attribution.executor import Executor
from convscope.services.attribution.models import LoadedModels
from convscope.services.attribution.pictures import Picture, PictureReader
from convscope.services.attribution.work import Result, Task, Work
from convscope.services.common.admission import Admission
from convscope.services.common.call import Call
from convscope.services.common.resource_names import model_name
from convscope.services.common.telemetry.traces import span
from convscope.v1.image_pb2 import Image


class Runner:
    """What every call about pictures goes through: a place, the decoder, the executor."""

    def __init__(self, models: LoadedModels, executor: Executor, reader: PictureReader, *, queue_limit: int) -> None:
        self.calls = Admission(queue_limit, "calls")
        """The places of all calls that decode or compute."""
        self._models = models
        self._executor = executor
        self._reader = reader

    def model(self, resource: str) -> Model:
        """A loaded model. Raises InvalidInput, UnknownModel, ModelLoading, ModelNotLoaded."""
        return self._models.model(model_name(resource, field="model"))

    def run(
        self,
        task: Task,
        model: Model,
        picture: Picture,
        call: Call,
        *,
        targets: tuple[Target, ...] = (),
        words: tuple[int, ...] = (),
        on_progress: Progress = unwatched,
    ) -> Result:
        """One picture. Raises CallCancelled, DeadlinePassed, and what the engine raises."""
        call.check()
        work = Work(
            model, task, picture.image, targets, words, call.deadline, lambda: call.gone, on_progress=on_progress
        )  # fmt: skip
        return call.wait(self._executor.submit(work))

    def read(self, image: Image, model: Model, call: Call) -> Picture:
        """A picture for a model. Raises what is wrong with it, CallCancelled, DeadlinePassed."""
        call.check()
        with span("decode"):
            return self._reader.read(image, model.preprocessing)

    def run_each(self, task: Task, model: Model, images: Sequence[Image], call: Call, *, field: str) -> list[Result]:
        """Several pictures, in as few batches as the executor makes of them. field: that holds them."""
        waiting = []
        for number, image in enumerate(images):
            call.check()
            try:
                with span("decode"):
                    picture = self._reader.read(image, model.preprocessing)
            except ConvscopeError as error:
                error.field = f"{field}[{number}]{error.field.removeprefix('image')}"
                raise
            waiting.append(Work(model, task, picture.image, deadline=call.deadline, gone=lambda: call.gone))
        futures = [self._executor.submit(work) for work in waiting]
        try:
            return [call.wait(future) for future in futures]
        finally:
            # Where one failed, nobody waits for the others.
            for future in futures:
                future.cancel()
