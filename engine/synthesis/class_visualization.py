"""The picture that a class scores highest. Simonyan, Vedaldi & Zisserman 2013, "Deep Inside Convolutional Networks",
section 2, and what came after: see recipes.py."""

from collections.abc import Sequence
from operator import index
from typing import Any

from convscope.engine.errors import InvalidInput
from convscope.engine.generation.prior import Prior
from convscope.engine.models.model import Model
from convscope.engine.synthesis.assembly import Start, assemble, start_digest
from convscope.engine.synthesis.diverse import diverse
from convscope.engine.synthesis.identity import identity
from convscope.engine.synthesis.objectives.class_output import ClassOutput
from convscope.engine.synthesis.parameters import SynthesisParameters
from convscope.engine.synthesis.recognition import recognize
from convscope.engine.synthesis.synthesis import Synthesis


class ClassVisualization(Synthesis):
    """Pictures of classes, which knows what the network says of them."""

    def __init__(self, model: Model, classes: Sequence[int], *arguments: Any, **options: Any) -> None:
        """classes: of each picture."""
        super().__init__(*arguments, **options)
        self._model = model
        self._classes = classes

    def results(self) -> list[dict[str, Any]]:
        """As Synthesis, with `target`, `label`, and the `probability` of the picture as it is saved."""
        probabilities = recognize(self._model, self.pictures()).softmax(1)
        return [
            {**known, "target": one, "label": self._model.labels[one], "probability": float(row[one])}
            for known, one, row in zip(super().results(), self._classes, probabilities, strict=True)
        ]


def class_visualization(
    model: Model,
    targets: Sequence[int],
    parameters: SynthesisParameters,
    start: Start = None,
    checkpoint: bytes | None = None,
    *,
    prior: Prior | None = None,
) -> ClassVisualization:
    """Ascend what the network says of a class.

    targets: classes; `copies` pictures are made for each, all in one batch, and each is what it would be alone. start:
    a picture to start from, or one for each. checkpoint: to go on from. prior: of codes, see assemble().

    Raises InvalidInput (field `targets`) for a class that is not there, or none; as assemble(); CheckpointInvalid.
    """
    classes = [class_index(model, target) for target in targets]
    if not classes:
        raise InvalidInput("at least one class is needed", field="targets")
    each = [one for one in classes for _ in range(parameters.copies)]
    objective = diverse(ClassOutput(model, each, parameters.output), model, parameters)
    made = assemble(model, parameters, objective, len(classes), start=start, prior=prior)
    made_of = identity(
        "class_visualization",
        model,
        parameters,
        targets=classes,
        start=start_digest(start),
        prior=prior and prior.digest,
    )
    return ClassVisualization(
        model, each, made.parts, made.variables, parameters.steps, made.generator, identity=made_of,
        checkpoint=checkpoint,
    )  # fmt: skip


def class_index(model: Model, target: int) -> int:
    """`target`, checked. Raises InvalidInput (field `targets`)."""
    try:
        return model.labels.check_index(index(target), field="targets")
    except TypeError as error:
        raise InvalidInput(f"{target!r} is no class index", field="targets", reason="UNKNOWN_CLASS") from error
