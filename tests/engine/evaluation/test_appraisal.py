"""What is measured of explanations is what the formulas give, one picture after the other."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convscope.engine.attribution.attribute import attribute, attribute_fully
from convscope.engine.attribution.methods import METHODS as METHODS_TABLE
from convscope.engine.attribution.target import ClassTarget
from convscope.engine.evaluation import appraisal
from convscope.engine.evaluation.appraisal import Appraisal, Findings, stage_names
from convscope.engine.evaluation.asked_network import MeasuredMethod
from convscope.engine.evaluation.case import Case
from convscope.engine.evaluation.localization import box_overlap, energy_inside, pointing_game
from convscope.engine.evaluation.metrics import CURVES, METRICS, RANDOM
from convscope.engine.evaluation.parameters import EvaluationParameters
from convscope.engine.evaluation.rank_correlation import rank_correlation
from convscope.engine.evaluation.sanity import cascade
from convscope.engine.imaging.heatmap import to_heatmap
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.engine.shapes.dataset import ShapesDataset
from convscope.engine.shapes.questions import Question

COUNT = 5
GRAD_CAM, GRADIENT = MeasuredMethod("grad_cam", "grad_cam", {}), MeasuredMethod("gradient", "gradient", {})
SMOOTH = MeasuredMethod("smooth_grad(samples=3)", "smooth_grad", {"samples": 3, "seed": 1})
METHODS = (GRAD_CAM, GRADIENT, SMOOTH)
PARAMETERS = EvaluationParameters(curve_steps=4, samples=3, stages=2)


@pytest.fixture(scope="module")
def classifier() -> Model:
    return Catalogue.read().load("shapes_classifier")


@pytest.fixture(scope="module")
def answerer() -> Model:
    return Catalogue.read().load("shapes_vqa")


@pytest.fixture(scope="module")
def scenes(classifier: Model) -> list[Case]:
    """The target of the third is the top class, the fourth has no mask."""
    world = ShapesDataset(COUNT, task="class", seed=12)
    cases = []
    for place in range(COUNT):
        painting, largest = world.painting(place), world.scene(place).largest
        mask = painting.masks[world.scene(place).things.index(largest)]
        target = world.target(place)
        assert isinstance(target, int)
        cases.append(
            Case(
                classifier.preprocessing.crop(painting.image)[0],
                ClassTarget() if place == 2 else ClassTarget((target,)),
                mask=None if place == 3 else mask,
                attention=(mask.astype(np.float32), np.eye(64, dtype=np.float32)) if place % 2 else (),
                number=place,
            )
        )
    return cases


@pytest.fixture(scope="module")
def questions(answerer: Model) -> list[Case]:
    world = ShapesDataset(COUNT, task="question", seed=12)
    cases = []
    assert answerer.tokenizer is not None
    for place in range(COUNT):
        painting, question = world.painting(place), world.target(place)
        assert isinstance(question, Question)
        cases.append(
            Case(
                answerer.preprocessing.crop(painting.image)[0],
                ClassTarget((answerer.labels.index_of(question.answer, field="answer"),)),
                words=tuple(answerer.tokenizer.encode(question.text, field="question")),
                mask=np.logical_or.reduce(painting.masks[list(question.evidence)]) if question.evidence else None,
                number=place,
            )
        )
    return cases


def measured(model: Model, cases: Sequence[Case], **fields: object) -> list[Findings]:
    found = Appraisal(model, cases, METHODS, list(METRICS), PARAMETERS.model_copy(update=fields))
    while not found.over:
        found.advance()
    return found.findings


@pytest.fixture(scope="module")
def of_scenes(classifier: Model, scenes: list[Case]) -> list[Findings]:
    return measured(classifier, scenes)


def normalized(model: Model, case: Case) -> Tensor:
    return model.preprocessing.normalize(case.image[None])


def heatmaps_of(model: Model, cases: Sequence[Case], method: MeasuredMethod) -> list[NDArray[np.float32]]:
    """All in one batch, as they are measured: rounding turns single ReLUs over, which a gradient shows."""
    images = model.preprocessing.normalize(torch.stack([case.image for case in cases]))
    targets = [_named(model, case).target for case in cases]
    values = attribute_fully(
        model.module, images, targets, method.name, preprocessing=model.preprocessing, **method.parameters
    ).values
    return [to_heatmap(one.numpy(), 64, 64, METHODS_TABLE[method.name].reduction) for one in values]


def signed_of(model: Model, cases: Sequence[Case], module: nn.Module | None = None) -> list[NDArray[np.float32]]:
    """The gradient added over the colours."""
    images = model.preprocessing.normalize(torch.stack([case.image for case in cases]))
    values = attribute(module or model.module, images, [_named(model, case).target for case in cases], "gradient")
    return [one.sum(0).numpy() for one in values]


@pytest.mark.parametrize("method", [GRAD_CAM, GRADIENT], ids=lambda method: method.label)
def test_places_and_correlations_are_those_of_each_picture_alone(
    method: MeasuredMethod, classifier: Model, scenes: list[Case], of_scenes: list[Findings]
) -> None:
    for case, found, heatmap in zip(scenes, of_scenes, heatmaps_of(classifier, scenes, method), strict=True):
        values = found[method.label].values
        if case.mask is not None:
            assert values["pointing_game"] == pointing_game(heatmap, case.mask)
            assert values["energy_inside"] == pytest.approx(energy_inside(heatmap, case.mask), abs=1e-4)
            assert values["box_overlap"] == pytest.approx(box_overlap(heatmap, case.mask), abs=0.02)
        else:
            assert not {"pointing_game", "energy_inside", "box_overlap"} & set(values)
        if case.attention:
            looked = [rank_correlation(heatmap, one) for one in case.attention]
            assert values["attention_correlation"] == pytest.approx(np.mean(looked), abs=1e-3)
        else:
            assert "attention_correlation" not in values


@pytest.mark.parametrize("method", [GRAD_CAM, GRADIENT], ids=lambda method: method.label)
def test_occlusion_is_what_all_are_correlated_with(
    method: MeasuredMethod, classifier: Model, scenes: list[Case], of_scenes: list[Findings]
) -> None:
    """In the same batch: of a class that nothing shakes, a drop of the probability is but rounding."""
    occlusion = MeasuredMethod("occlusion", "occlusion", {"window": 9, "stride": 4})
    drops, explained = (heatmaps_of(classifier, scenes, one) for one in (occlusion, method))
    for found, drop, heatmap in zip(of_scenes, drops, explained, strict=True):
        expected = rank_correlation(heatmap, drop)
        assert found[method.label].values["occlusion_correlation"] == pytest.approx(expected, abs=1e-3)


def test_curves_are_what_one_pixel_after_the_other_gives(
    classifier: Model, scenes: list[Case], of_scenes: list[Findings]
) -> None:
    case, found = scenes[0], of_scenes[0]["grad_cam"]
    image, heatmap = normalized(classifier, case)[0], heatmaps_of(classifier, scenes, GRAD_CAM)[0]
    order = np.argsort(-heatmap.ravel(), kind="stable")
    probabilities = []
    for step in range(5):
        changed = image.clone().flatten(1)
        changed[:, order[: round(64 * 64 * step / 4)]] = 0
        scores = classifier.module(changed.view(1, 3, 64, 64))
        probabilities.append(float(scores.softmax(1)[0, case.target.classes[0]]))
    assert found.curves["deletion"] == pytest.approx(probabilities, abs=0.01)
    area = sum((one + other) / 8 for one, other in pairwise(probabilities))
    assert found.values["deletion"] == pytest.approx(area, abs=0.01)
    assert found.curves["insertion"][-1] == pytest.approx(probabilities[0], abs=1e-4), "the whole picture"


def test_faithfulness_and_stability_are_measured_of_the_attribution_as_it_is(
    classifier: Model, scenes: list[Case], of_scenes: list[Findings]
) -> None:
    """In slow words, with the same random numbers; one batch, so that they are those of the batch."""
    images = classifier.preprocessing.normalize(torch.stack([case.image for case in scenes]))
    scores = classifier.module(images)
    classes = torch.tensor(
        [scores[row].argmax() if row == 2 else case.target.classes[0] for row, case in enumerate(scenes)]
    )

    def score(pictures: Tensor) -> Tensor:
        with torch.no_grad():
            scores: Tensor = classifier.module(pictures).gather(1, classes[:, None])[:, 0]
        return scores

    explained = attribute(classifier.module, images, classes, "gradient")
    generator, squares = torch.Generator().manual_seed(0), []
    for _ in range(3):
        change = 0.03 * torch.randn(images.shape, generator=generator)
        foretold = (change * explained).sum((1, 2, 3))
        squares.append((foretold - (score(images) - score(images - change))) ** 2)
    expected = torch.stack(squares).mean(0)
    generator, most = torch.Generator().manual_seed(0), torch.zeros(COUNT)
    for _ in range(3):
        noise = (2 * torch.rand(images.shape, generator=generator) - 1) * 0.02
        changed = attribute(classifier.module, images + noise, classes, "gradient")
        most = torch.maximum(most, (changed - explained).flatten(1).norm(dim=1) / explained.flatten(1).norm(dim=1))
    for row, found in enumerate(of_scenes):
        assert found["gradient"].values["infidelity"] == pytest.approx(float(expected[row]), rel=1e-2)
        assert found["gradient"].values["max_sensitivity"] == pytest.approx(float(most[row]), rel=1e-2)


def test_randomization_compares_with_the_networks_of_the_cascade(
    classifier: Model, scenes: list[Case], of_scenes: list[Findings]
) -> None:
    names = stage_names(classifier, PARAMETERS)
    found: dict[str, list[float]] = {}
    for name, changed in cascade(classifier.module, seed=0):
        if name in names:
            pairs = zip(signed_of(classifier, scenes), signed_of(classifier, scenes, changed), strict=True)
            found[name] = [rank_correlation(*pair, grid=64) for pair in pairs]
    assert list(found) == names
    assert len(names) == 2
    for row, findings in enumerate(of_scenes):
        curve = findings["gradient"].curves["randomization"]
        assert curve == pytest.approx([of_stage[row] for of_stage in found.values()], abs=5e-3)
        assert findings["gradient"].values["randomization"] == curve[-1]


def _named(model: Model, case: Case) -> Case:
    """With the class that the trained network names."""
    if case.target.classes != (-1,):
        return case
    top = int(model.module(normalized(model, case)).argmax())
    return Case(case.image, ClassTarget((top,)))


def test_the_random_map_has_what_any_map_has_and_is_the_same_everywhere(
    classifier: Model, scenes: list[Case], of_scenes: list[Findings]
) -> None:
    alone = [measured(classifier, [case])[0] for case in scenes[:2]]
    for row in range(2):
        found = of_scenes[row][RANDOM].values
        assert set(found) == {
            name for name in of_scenes[row]["gradient"].values if METRICS[name].of_maps
        }  # fmt: skip
        assert found == pytest.approx(alone[row][RANDOM].values, abs=1e-4)
    assert of_scenes[0][RANDOM].values["deletion"] != of_scenes[1][RANDOM].values["deletion"]
    other = measured(classifier, scenes[:1], seed=7)[0][RANDOM].values
    assert other["occlusion_correlation"] != of_scenes[0][RANDOM].values["occlusion_correlation"]


@pytest.mark.parametrize("model_name", ["classifier", "answerer"])
def test_in_a_batch_and_alone_it_is_the_same(model_name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(model_name)
    cases = request.getfixturevalue("scenes" if model_name == "classifier" else "questions")
    together = measured(model, cases)
    for row, case in enumerate(cases):
        alone = measured(model, [case])[0]
        for label in ("grad_cam",):
            for metric in ("deletion", "insertion", "energy_inside", "occlusion_correlation", "randomization"):
                expected = alone[label].values.get(metric, math.nan)
                assert together[row][label].values.get(metric, math.nan) == pytest.approx(
                    expected, abs=0.02, nan_ok=True
                ), (row, label, metric)  # fmt: skip
            assert set(together[row][label].curves) == set(CURVES)


def test_a_batch_is_of_one_question_and_of_no_more_pictures_than_it_may(
    answerer: Model, questions: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appraisal, "MOST_AT_ONCE", 2)
    same = [questions[0]] * 3 + questions[2:3]
    found = Appraisal(answerer, same, [GRAD_CAM], ["deletion"], PARAMETERS)
    through = []
    while not found.over:
        found.advance()
        through.append(found.done)
    assert sorted(set(through) - {0}) == [2, 3, 4]
    assert found.findings[0]["grad_cam"].values == pytest.approx(found.findings[2]["grad_cam"].values, abs=1e-4)


def test_words_of_a_caption_have_probabilities_too() -> None:
    captioner = Catalogue.read().load("shapes_captioner")
    assert captioner.tokenizer is not None
    assert captioner.network is not None
    image = captioner.preprocessing.crop(ShapesDataset(3, task="caption", seed=12).painting(1).image)[0]
    tokens = (*captioner.tokenizer.encode("a red circle", field="text"), captioner.tokenizer.end)
    for places in ((1,), (0, 1, 2, 3)):
        case = Case(image, ClassTarget(places, output="score"), tokens)
        found = Appraisal(captioner, [case], [GRADIENT], ["deletion"], PARAMETERS)
        while not found.over:
            found.advance()
        with torch.no_grad():
            logs = captioner.network(normalized(captioner, case), torch.tensor([tokens]))[0]
        whole = found.findings[0]["gradient"].curves["deletion"][0]
        assert whole == pytest.approx(math.exp(float(logs[list(places)].sum())), rel=1e-3)


def test_what_a_step_raises_ends_it() -> None:
    """So a job that is no longer wanted ends within a long method."""
    model = Catalogue.read().load("shapes_classifier")
    case = Case(model.preprocessing.crop(ShapesDataset(1, task="class").painting(0).image)[0])

    class Enough(Exception):
        pass

    def progress(done: int, total: int) -> None:
        raise Enough

    rise = MeasuredMethod("rise", "rise", {"masks": 64})
    found = Appraisal(model, [case], [rise], ["deletion"], PARAMETERS, progress=progress)
    found.advance()  # the map that is drawn at random
    with pytest.raises(Enough):
        found.advance()
