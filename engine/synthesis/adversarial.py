"""A picture that is changed a little and then taken for something else, or noise that a network is sure of.

Szegedy et al. 2013; Goodfellow et al. 2015 (FGSM); Madry et al. 2018 (PGD); Moosavi-Dezfooli et al. 2016 (DeepFool).
What is attacked is the file: a whole picture of 8 bits, which the model scales and crops as it does with every picture.
"""

from dataclasses import replace
from math import inf
from operator import index
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from convscope.engine.errors import InvalidInput
from convscope.engine.imaging.decode import to_rgb
from convscope.engine.models.model import Model
from convscope.engine.synthesis.attacks.answer import Answer
from convscope.engine.synthesis.attacks.ball import Ball
from convscope.engine.synthesis.attacks.deep_fool import CLASSES, DeepFool
from convscope.engine.synthesis.attacks.margin import Margin
from convscope.engine.synthesis.attacks.photograph import Photograph
from convscope.engine.synthesis.attacks.projected_ascent import ProjectedAscent
from convscope.engine.synthesis.identity import identity, picture_digest
from convscope.engine.synthesis.parameters import AdversarialParameters
from convscope.engine.synthesis.recognition import classify_file
from convscope.engine.synthesis.state import State
from convscope.engine.synthesis.synthesis import Parts, Synthesis

TOLD = 5
"""Classes that are told before and after."""
NOISE = 64.0
"""Standard deviation of the noise that stands for no picture, grey levels about the middle."""


class Adversarial(Synthesis):
    """An attack on one picture. It ends early once the answer is the wanted one."""

    def __init__(
        self, model: Model, original: Image.Image, answer: Answer, target: int | None, *arguments: Any, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._model = model
        self._original = original
        self._answer = answer
        self._target = target
        self._found: tuple[int, int] | None = None
        """A step, and the attack that stood best after it."""

    @property
    def over(self) -> bool:
        """As Synthesis, or once the answer is the wanted one."""
        return super().over or bool(self._reached().any())

    def state(self) -> State:
        """The picture of the attack that stands best, and the best score that the last step found; see Synthesis."""
        state, best = super().state(), self._best()
        row = torch.stack([state.row[0], state.row[1:].max()])
        return replace(state, variables=self._variables[best : best + 1], row=row)

    def _best(self) -> int:
        """The attack that has the answer, or is nearest to it."""
        reached = self._reached()
        if self.step == 0 or len(reached) == 1:
            return 0
        if self._found is None or self._found[0] != self.step:
            if self.over and not reached.any():
                # The last step has moved the pictures, and nobody has looked at them since.
                with torch.no_grad():
                    images = self._parts.parameterization.images(self._variables)
                    scores = self._answer(images, range(len(reached)))
                reached = self._answer.given
            else:
                scores = super().state().row[1:]
            self._found = (self.step, int(torch.where(reached, inf, scores).argmax()))
        return self._found[1]

    def _reached(self) -> Tensor:
        optimizer = self._parts.optimizer
        assert isinstance(optimizer, ProjectedAscent | DeepFool)
        return optimizer.reached

    def results(self) -> list[dict[str, Any]]:
        """The picture's `score`: the probability of the target or, without one, of the new answer, as a file."""
        probabilities = classify_file(self._model, self.pictures()[0]).softmax(0)
        target = int(probabilities.argmax()) if self._target is None else self._target
        probability = float(probabilities[target])
        label = self._model.labels[target]
        return [{"score": probability, "probability": probability, "target": target, "label": label}]

    def outcome(self) -> dict[str, Any]:
        """`fooled`, whether the file has the answer; the classes `before` and `after`; `linf`, `l2` (of values 0 to 1)
        and `changed` (the part of the pixels) of the change; `steps`; `magnification` of perturbation.png."""
        after = classify_file(self._model, self.pictures()[0])
        change = self._change() / 255
        return {
            "fooled": bool(self._answer.is_given(after[None])[0]),
            "before": self._told(classify_file(self._model, self._original)),
            "after": self._told(after),
            "linf": float(np.abs(change).max()),
            "l2": float(np.linalg.norm(change)),
            "changed": float(change.any(axis=2).mean()),
            "steps": self.step,
            "magnification": self._magnification(),
        }

    def extra_pictures(self) -> dict[str, Image.Image]:
        """The original, and the perturbation magnified about grey."""
        shown = np.clip(127.5 + self._magnification() * self._change(), 0, 255).round().astype(np.uint8)
        return {"original.png": self._original, "perturbation.png": Image.fromarray(shown)}

    def _change(self) -> NDArray[np.float64]:
        """Grey levels, [H, W, 3]."""
        made, original = (np.asarray(one, dtype=np.float64) for one in (self.pictures()[0], self._original))
        return made - original

    def _magnification(self) -> float:
        """What makes the largest change fill the range of colours."""
        largest = float(np.abs(self._change()).max())
        return 127.5 / largest if largest else 1.0

    def _told(self, scores: Tensor) -> list[dict[str, Any]]:
        probabilities = scores.softmax(0)
        return [
            {
                "index": one,
                "label": self._model.labels[one],
                "score": float(scores[one]),
                "probability": float(probabilities[one]),
            }
            for one in scores.topk(min(TOLD, len(scores))).indices.tolist()
        ]


def adversarial(
    model: Model,
    picture: Image.Image | None,
    target: int | None,
    parameters: AdversarialParameters,
    checkpoint: bytes | None = None,
) -> Adversarial:
    """Change a picture so that the network answers `target`, or with None anything but what it answers now.

    picture: upright, of any size, the whole of which may be changed; None: noise of the model's size. What is made has
    whole grey levels, and the bounds hold for these. checkpoint: to go on from.

    Raises InvalidInput (field `target`) for a class that is not there, that the network answers already, or where one
    is needed or not wanted; (field `attack`) for one that needs a picture; CheckpointInvalid.
    """
    wanted = _checked(model, picture, target, parameters)
    original = _noise(model, parameters.seed) if picture is None else to_rgb(picture)
    scores = classify_file(model, original)
    first = int(scores.argmax())
    if wanted == first and not parameters.confidence:
        message = f"the model answers {model.labels[first]} already"
        raise InvalidInput(message, field="target", reason="TARGET_ANSWERED")
    bounded = parameters.attack in {"fgsm", "pgd"}
    ball = Ball(parameters.norm, 255 * parameters.epsilon if bounded else inf)
    classes = [one for one in scores.topk(min(CLASSES, len(scores))).indices.tolist() if one != first]
    deep = parameters.attack == "deepfool"
    count = len(classes) if deep else parameters.restarts
    photograph = Photograph(model, original, count, lambda levels: ball.rounded(levels, photograph.original))
    answer = Answer(model, wanted, first, parameters.confidence, count)

    def verified(variables: Tensor) -> bool:
        pixels = photograph.shown(variables)[0].mul(255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        return bool(answer.is_given(classify_file(model, Image.fromarray(pixels))[None])[0])

    optimizer: ProjectedAscent | DeepFool
    objective: Answer | Margin
    if deep:
        objective = Margin(model, first, classes)
        optimizer = DeepFool(parameters.norm, photograph.original, objective, verified)
    else:
        objective = answer
        step_size = 255 * _step_size(parameters)
        optimizer = ProjectedAscent(step_size, ball, photograph.original, answer, verified)
    generator = torch.Generator().manual_seed(parameters.seed)
    start = photograph.start(generator)
    if parameters.attack == "pgd" and parameters.random_start:
        random = ball.random(photograph.original, count, generator)
        start = torch.where(photograph.seen, random, start).contiguous(memory_format=torch.channels_last)
    made_of = identity("adversarial", model, parameters, picture=picture_digest(original), target=wanted)
    total = 1 if parameters.attack == "fgsm" else parameters.steps
    parts = Parts(photograph, objective, optimizer)
    return Adversarial(
        model, original, answer, wanted, parts, start, total, generator, identity=made_of, checkpoint=checkpoint
    )


def _checked(
    model: Model, picture: Image.Image | None, target: int | None, parameters: AdversarialParameters
) -> int | None:
    """The target. Raises InvalidInput."""
    if picture is None and parameters.attack != "ascent":
        message = f"{parameters.attack} changes a picture; from noise there is only ascent"
        raise InvalidInput(message, field="attack", reason="CONTRADICTION")
    if target is None:
        if picture is None:
            raise InvalidInput("from noise a class is needed", field="target", reason="TARGET_MISSING")
        return None
    if parameters.attack == "deepfool":
        raise InvalidInput("deepfool takes no target", field="target", reason="CONTRADICTION")
    try:
        return model.labels.check_index(index(target), field="target")
    except TypeError as error:
        raise InvalidInput(f"{target!r} is no class index", field="target", reason="UNKNOWN_CLASS") from error


def _step_size(parameters: AdversarialParameters) -> float:
    if parameters.step_size is not None:
        return parameters.step_size
    return {"pgd": parameters.epsilon / 4, "fgsm": parameters.epsilon}.get(parameters.attack, 1 / 255)


def _noise(model: Model, seed: int) -> Image.Image:
    shape = (model.preprocessing.height, model.preprocessing.width, 3)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return Image.fromarray((127.5 + NOISE * noise).round().clamp(0, 255).to(torch.uint8).numpy())
