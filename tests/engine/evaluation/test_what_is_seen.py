"""Whether explanations of answers point to what the answer depends on: rank correlation with the truth, as Das et al.
2016 and Selvaraju et al. 2017 compare with people.

Of 527 questions (seed 22) that have evidence and were answered right, mean ± standard error:

                     color, shape, exists     count          left           all, asked as it should be
    grad_cam         0.485 ± 0.004        -0.390 ± 0.037   -0.083 ± 0.023   0.480 ± 0.010
    guided_grad_cam  0.514 ± 0.004        -0.237 ± 0.039    0.190 ± 0.027   0.544 ± 0.007
    guided_backprop  0.501 ± 0.004         0.366 ± 0.021    0.521 ± 0.016   0.505 ± 0.004
    random           0.002 ± 0.005         0.000 ± 0.011    0.000 ± 0.011   0.002 ± 0.004

The truth itself, a little blurred, gets no more than 0.58: most places of a mask are equal, and no map has them so.
Guided backprop comes near that: this network multiplies what is asked with what is seen at each place, so that little
comes back from things that were not asked about. Two kinds of questions it answers in ways that Grad-CAM does not
expect, and there the order is another:

-   The score of a number falls where there are more things than that, so that by its gradient the things speak against
    it. They speak for the number rather than one less.
-   What is left of what is not seen at one place, but told from sums over all of them. The last layer, with its 8 x 8
    places, has little to say of it; an earlier one has, of 16 x 16 places, where the metric has 14 x 14.

The last column asks so: numbers against one less, and Grad-CAM at that layer.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.engine.attribution.attribute import attribute
from convscope.engine.attribution.methods import METHODS
from convscope.engine.attribution.target import ClassTarget
from convscope.engine.evaluation.rank_correlation import rank_correlation
from convscope.engine.imaging.heatmap import to_heatmap
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.shapes.dataset import ShapesDataset
from convscope.engine.shapes.questions import Question

COUNT, SEED = 500, 31
LAYER = "eye.block3"
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Asked:
    """Questions that have evidence and were answered right."""

    module: torch.nn.Module
    """With the questions."""
    images: Tensor
    scores: list[ClassTarget]
    """What is explained: the right answer's score; `contrasts`: of a number against one less."""
    contrasts: list[ClassTarget]
    kinds: NDArray[np.str_]
    truths: list[NDArray[np.float32]]
    """[64, 64], 1 where the evidence is."""

    def correlations(self, method: str, targets: list[ClassTarget], layer: str | None = None) -> Values:
        """Of each explanation with the truth."""
        parameters = {} if layer is None else {"layer": layer}
        explained = attribute(self.module, self.images, targets, method, **parameters).numpy()
        reduction = METHODS[method].reduction
        height, width = self.images.shape[2:]
        maps = [to_heatmap(values, height, width, reduction) for values in explained]
        return np.array([rank_correlation(*pair) for pair in zip(maps, self.truths, strict=True)])

    def of_chance(self) -> Values:
        rng = np.random.default_rng(0)
        return np.array([rank_correlation(rng.random(truth.shape), truth) for truth in self.truths])


@cache
def asked() -> Asked:
    model, world = Catalogue.read().load("shapes_vqa"), ShapesDataset(COUNT, task="question", seed=SEED)
    assert model.tokenizer is not None
    questions = {place: question for place in range(COUNT) if (question := _question(world, place)).evidence}
    tokens = [torch.tensor(model.tokenizer.encode(one.text, field="question")) for one in questions.values()]
    words = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=model.tokenizer.end)
    paintings = [world.painting(place) for place in questions]
    images = model.preprocessing.normalize(torch.stack([model.preprocessing.crop(one.image)[0] for one in paintings]))
    answers = torch.tensor([model.labels.index_of(one.answer) for one in questions.values()])
    with torch.no_grad():
        right = model.reading(words)(images).argmax(dim=1) == answers
    kept = [
        (question, painting)
        for question, painting, is_right in zip(questions.values(), paintings, right, strict=True)
        if is_right
    ]
    scores = [ClassTarget((int(answer),)) for answer in answers[right]]
    fewer = [
        (model.labels.index_of(str(int(question.answer) - 1)),) if question.kind == "count" else ()
        for question, _ in kept
    ]
    return Asked(
        model.reading(words[right]),
        images[right],
        scores,
        [ClassTarget(score.classes, minus=less) for score, less in zip(scores, fewer, strict=True)],
        np.array([question.kind for question, _ in kept]),
        [np.asarray(painting.masks[list(question.evidence)].any(axis=0), np.float32) for question, painting in kept],
    )


def _question(world: ShapesDataset, place: int) -> Question:
    question = world.target(place)
    assert isinstance(question, Question)
    return question


def mean_and_error(values: Values) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def assert_above(one: Values, other: Values, *, by: float) -> None:
    """On the same pictures: by so much, which is no more than what three standard errors leave of it."""
    mean, error = mean_and_error(one - other)
    assert mean - 3 * error > 0, (mean, error)
    assert mean > by, (mean, error)


def test_of_a_thing_guided_grad_cam_sees_more_than_guided_backprop_and_that_more_than_chance() -> None:
    """What color, what shape, is there one: each method as it comes."""
    of_things = np.isin(asked().kinds, ["color", "shape", "exists"])
    assert of_things.sum() > 150
    both, guided = (
        asked().correlations(method, asked().scores)[of_things] for method in ("guided_grad_cam", "guided_backprop")
    )
    assert_above(both, guided, by=0.006)
    assert_above(guided, asked().of_chance()[of_things], by=0.4)


def test_of_all_questions_they_do_where_they_are_asked_as_they_are_answered() -> None:
    assert len(asked().kinds) > 200
    both = asked().correlations("guided_grad_cam", asked().contrasts, LAYER)
    guided = asked().correlations("guided_backprop", asked().contrasts)
    assert_above(both, guided, by=0.015)
    assert_above(guided, asked().of_chance(), by=0.4)


@pytest.mark.parametrize("method", ["grad_cam", "guided_grad_cam"])
def test_what_speaks_for_a_number_are_its_things_only_against_one_less(method: str) -> None:
    numbers = asked().kinds == "count"
    assert numbers.sum() > 25
    alone, against = (asked().correlations(method, of)[numbers] for of in (asked().scores, asked().contrasts))
    assert_above(np.zeros(numbers.sum()), alone, by=0.1)
    assert_above(against, np.zeros(numbers.sum()), by=0.4)
