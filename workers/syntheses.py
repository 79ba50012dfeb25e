"""How each kind of synthesis begins."""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.engine.attribution.target import UnitTarget
from convscope.engine.generation.errors import PriorInvalid
from convscope.engine.generation.prior import Prior
from convscope.engine.generation.shipped import SHIPPED
from convscope.engine.models.model import Model
from convscope.engine.synthesis.adversarial import adversarial
from convscope.engine.synthesis.assembly import Start
from convscope.engine.synthesis.channel_visualization import channel_visualization
from convscope.engine.synthesis.class_visualization import class_visualization
from convscope.engine.synthesis.deep_dream import deep_dream
from convscope.engine.synthesis.feature_inversion import all_layers, feature_inversion
from convscope.engine.synthesis.parameters import AdversarialParameters, DeepDreamParameters, SynthesisParameters
from convscope.engine.synthesis.synthesis import Synthesis
from convscope.services.common.jobs.kinds import (
    CREATE_ADVERSARIAL,
    DEEP_DREAM,
    INVERT_FEATURES,
    VISUALIZE_CHANNEL,
    VISUALIZE_CLASS,
)
from convscope.workers.dataset_examples import DatasetExamples
from convscope.workers.synthesis_work import SynthesisWork
from convscope.workers.work import Bench

Spec = Mapping[str, Any]
"""What is to be done, as the jobs server wrote it."""


class Inputs:
    """What came with a job, and what it names."""

    def __init__(self, bench: Bench, model: Model, examples: DatasetExamples | None) -> None:
        self._bench = bench
        self._model = model
        self._examples = examples
        self._names = bench.lease.spec.get("inputs", {})

    def picture(self, name: str = "image.png") -> Image.Image | None:
        """None where none came."""
        if name not in self._names:
            return None
        picture = Image.open(BytesIO(self._bench.input(name)), formats=["PNG"])
        picture.load()
        return picture

    def array(self, name: str) -> NDArray[np.float32]:
        found: NDArray[np.float32] = np.load(BytesIO(self._bench.input(name)), allow_pickle=False)
        return found

    def start(self, parameters: SynthesisParameters) -> Start:
        """What a visualisation starts from: of an example what the model sees of it."""
        seen = self._model.preprocessing
        height, width = parameters.start_size(seen.height, seen.width)

        def cut(picture: Image.Image) -> Image.Image:
            return picture.resize((width, height), Image.Resampling.BICUBIC, box=seen.region(*picture.size))

        return (self._examples and self._examples.starts(cut)) or self.picture()

    def prior(self) -> Prior | None:
        """The learned prior that was named. Raises PriorInvalid, also where it is gone by now; OSError."""
        named = self._bench.lease.spec.get("prior")
        if named is None:
            return None
        try:
            data = self._bench.artifacts.get(named["path"]) if named["path"] else SHIPPED[named["id"]].read_bytes()
        except (FileNotFoundError, KeyError):
            raise PriorInvalid(f"the prior priors/{named['id']} is no more") from None
        return Prior.from_bytes(data).to(self._model.device)


def _visualize_class(model: Model, spec: Spec, inputs: Inputs, checkpoint: bytes | None) -> Synthesis:
    model.check_task("classify", field="model")
    parameters = _parameters(spec)
    return class_visualization(
        model, _classes(model, spec), parameters, inputs.start(parameters), checkpoint, prior=inputs.prior()
    )


def _visualize_channel(model: Model, spec: Spec, inputs: Inputs, checkpoint: bytes | None) -> Synthesis:
    units, parameters = list(map(_unit, spec["units"])), _parameters(spec)
    return channel_visualization(model, units, parameters, inputs.start(parameters), checkpoint, prior=inputs.prior())


def _deep_dream(model: Model, spec: Spec, inputs: Inputs, checkpoint: bytes | None) -> Synthesis:
    parameters = DeepDreamParameters.parse(spec["parameters"])
    picture = inputs.picture()
    assert picture is not None
    return deep_dream(model, picture, parameters, inputs.picture("guide.png"), checkpoint)


def _invert_features(model: Model, spec: Spec, inputs: Inputs, checkpoint: bytes | None) -> Synthesis:
    picture = inputs.picture()
    source = inputs.array("features.npy") if picture is None else picture
    layers = all_layers(model) if spec["all_layers"] else spec["layers"]
    return feature_inversion(model, source, layers, _parameters(spec), checkpoint)


def _create_adversarial(model: Model, spec: Spec, inputs: Inputs, checkpoint: bytes | None) -> Synthesis:
    model.check_task("classify", field="model")
    target = None if spec["target"] is None else _class(model, spec["target"], "target")
    return adversarial(model, inputs.picture(), target, AdversarialParameters.parse(spec["parameters"]), checkpoint)


def _parameters(spec: Spec) -> SynthesisParameters:
    return SynthesisParameters.parse(spec["parameters"])


def _class(model: Model, target: int | str, field: str) -> int:
    """The jobs server has no card of a model that nobody had loaded before; then this is the first to check."""
    if isinstance(target, str):
        return model.labels.index_of(target, field=field)
    return model.labels.check_index(target, field=field)


def _classes(model: Model, spec: Spec) -> list[int]:
    return [_class(model, target, f"targets[{place}]") for place, target in enumerate(spec["targets"])]


def _unit(unit: Mapping[str, Any]) -> UnitTarget:
    place = (unit["row"], unit["column"]) if "row" in unit else None
    return UnitTarget(unit["layer"], unit["channel"], place)


Begin = Callable[[Model, Spec, Inputs, bytes | None], Synthesis]
SYNTHESES: Mapping[str, Begin] = {
    VISUALIZE_CLASS: _visualize_class,
    VISUALIZE_CHANNEL: _visualize_channel,
    DEEP_DREAM: _deep_dream,
    INVERT_FEATURES: _invert_features,
    CREATE_ADVERSARIAL: _create_adversarial,
}


def begin_synthesis(bench: Bench) -> SynthesisWork:
    """The work of a job of one of these kinds."""
    lease = bench.lease
    model = bench.model(lease.model)
    examples = _examples(model, bench)
    inputs = Inputs(bench, model, examples)
    return SynthesisWork(SYNTHESES[lease.kind](model, lease.spec, inputs, bench.checkpoint()), bench, examples)


def _examples(model: Model, bench: Bench) -> DatasetExamples | None:
    spec = bench.lease.spec
    if "examples" not in spec:
        return None
    wanted = _classes(model, spec) if "targets" in spec else spec["units"]
    return DatasetExamples(spec["examples"], wanted, bench)
