"""What the executor is given, and what comes of it."""

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from opentelemetry.context import Context
from torch import Tensor

from convscope.engine.attribution.batch import Progress, unwatched
from convscope.engine.attribution.method import Method, PassMethod
from convscope.engine.attribution.parameters import MethodParameters
from convscope.engine.attribution.segmentation import Segmentation
from convscope.engine.attribution.target import Target, Targets
from convscope.engine.models.model import Model
from convscope.engine.models.variants import Precision
from convscope.services.common.telemetry.correlation import current_correlation
from convscope.services.common.telemetry.traces import current_context


@dataclass(frozen=True)
class Ask:
    """A method with its parameters."""

    method_name: str
    method: Method
    parameters: MethodParameters
    layer: str = ""
    """The layer that it looks at; empty for none."""


@dataclass(frozen=True)
class Task:
    """What is done to a picture."""

    asks: tuple[Ask, ...] = ()
    """Answered together, sharing passes; none, and nothing else asked for: the picture is only classified."""
    precision: Precision = "float32"
    layers: tuple[str, ...] = ()
    """Whose activations are wanted."""
    beams: int = 0
    """Of the search for a caption that is wanted; 0: none is."""
    features: str | None = None
    """The layer whose feature vector is wanted; empty: what the classifier is given; None: no feature vector."""

    @property
    def name(self) -> str:
        """What metrics call it."""
        if self.features is not None:
            return "embed"
        if self.layers:
            return "activations"
        if self.beams:
            return "caption"
        return "classify" if not self.asks else "compare" if len(self.asks) > 1 else self.asks[0].method_name

    @property
    def quick(self) -> bool:
        """Whether it takes a pass or few."""
        return all(isinstance(ask.method, PassMethod) for ask in self.asks)


@dataclass(frozen=True)
class Answer:
    """What one method says of one picture."""

    values: NDArray[np.float32]
    """The attribution, [channels, height, width]."""
    target: Target
    """What it is for, the top class named."""
    explained: float
    convergence_error: float | None = None
    segmentation: Segmentation | None = None


@dataclass(frozen=True)
class Result:
    """What came of one picture."""

    scores: NDArray[np.float32]
    """[classes], before the softmax; empty where only the feature vector is wanted."""
    answers: tuple[Answer, ...] = ()
    """One for each ask."""
    activations: tuple[NDArray[np.float32], ...] = ()
    """Of each layer wanted, [channels, height, width], or its own shape where it has no grid."""
    features: NDArray[np.float32] | None = None
    """[length]."""
    caption: tuple[int, ...] = ()
    """Tokens, the end behind; `scores` are then the log-probabilities of its words, and of its end."""

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """exp(s) / sum exp(s), in double precision."""
        powers = np.exp(self.scores.astype(np.float64) - self.scores.max())
        return np.asarray(powers / powers.sum())


@dataclass(frozen=True, eq=False)
class Work:
    """One picture in the queue."""

    model: Model
    task: Task
    image: Tensor
    """uint8 [3, H, W], cropped; or float32 [3, H, W], preprocessed."""
    targets: tuple[Target, ...] = ()
    """One for each ask."""
    words: tuple[int, ...] = ()
    """Tokens that the model reads too; none of a model that reads none."""
    deadline: float | None = None
    """When nobody waits any more, time.monotonic(); None: never."""
    gone: Callable[[], bool] = bool
    """Whether the caller has gone."""
    on_progress: Progress = unwatched
    """Called in the executor's thread: must be quick."""
    future: "Future[Result]" = field(default_factory=Future)
    queued_at: float = field(default_factory=time.monotonic)
    correlation_id: str = field(default_factory=current_correlation)
    context: Context = field(default_factory=current_context)
    """The span of its call."""

    @property
    def group(self) -> Hashable:
        """Equal for work that may go through a model together: long work goes alone, so that it can be ended alone, and
        what keeps much of a pass, so that the memory carries it."""
        if not self.task.quick or len(self.task.asks) > 1 or self.task.layers:
            return id(self)
        kinds = tuple(map(Targets.kind, self.targets))
        return id(self.model), self.task, self.image.dtype, bool(self.words), kinds

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and self.deadline <= time.monotonic()

    def claim(self) -> bool:
        """Begin it, unless its caller has gone or has no time left."""
        if self.late:
            self.future.cancel()
        return self.future.set_running_or_notify_cancel()
