"""The three networks that ship: how often they are right, and where their explanations point."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from convscope.engine.attribution.attribute import attribute
from convscope.engine.attribution.target import ClassTarget
from convscope.engine.imaging.heatmap import to_heatmap
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.engine.shapes.captions import words
from convscope.engine.shapes.dataset import ShapesDataset
from convscope.engine.shapes.networks.answerer import Answerer
from convscope.engine.shapes.networks.captioner import ShapesCaptioner
from convscope.engine.shapes.networks.classifier import Classifier
from convscope.engine.shapes.networks.reading import CAPTIONS
from convscope.engine.shapes.networks.shipped import NETWORKS, weights_file
from convscope.engine.shapes.questions import Question
from convscope.engine.shapes.training.answerer import right_answers
from convscope.engine.shapes.training.captioner import right_captions
from convscope.engine.shapes.training.classifier import right_classes
from convscope.engine.shapes.training.examples import Examples, make_examples

COUNT, SEED = 600, 12
"""Pictures that no training has seen."""
LEAST = {"classifier": 0.97, "answerer": 0.90, "captioner": 0.80}
MEGABYTES = 3.0


@pytest.fixture(scope="module")
def examples() -> Examples:
    return make_examples("question", COUNT, seed=SEED)


def right(name: str, examples: Examples) -> Tensor:
    catalogue = Catalogue.read()
    entry = next(one for one in catalogue.values() if (one.source, one.network) == ("shapes", name))
    model = catalogue.load(entry.name)
    match model.network or model.module:
        case Classifier() as network:
            return right_classes(network, make_examples("class", COUNT, seed=SEED))
        case Answerer() as network:
            return right_answers(network, examples)
        case network:
            assert isinstance(network, ShapesCaptioner)
            return right_captions(network, examples)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_right_as_often_as_its_file_says(name: str, examples: Examples) -> None:
    with safe_open(weights_file(name), "pt") as file:
        said = file.metadata()
    found = float(right(name, examples).float().mean())
    assert found > LEAST[name]
    # Six hundred pictures tell it to a percent or two.
    assert found == pytest.approx(float(said["right"]), abs=0.05)
    assert int(said["seed"]) != SEED


@pytest.mark.parametrize("name", NETWORKS)
def test_its_file_is_small(name: str) -> None:
    assert Path(weights_file(name)).stat().st_size < MEGABYTES * 1e6


def heatmap(model: Model, image: Tensor, tokens: list[int], target: ClassTarget) -> NDArray[np.float32]:
    values = attribute(model.reading(torch.tensor([tokens])), image, target, "grad_cam")
    return to_heatmap(values[0].numpy(), 64, 64)


def seen(model: Model, world: ShapesDataset, place: int) -> Tensor:
    cropped, _ = model.preprocessing.crop(world.painting(place).image)
    return model.preprocessing.normalize(cropped[None])


def test_grad_cam_points_to_what_was_asked_about() -> None:
    """Its energy inside the thing is at least three times what chance would put there."""
    model, world = Catalogue.read().load("shapes_vqa"), ShapesDataset(150, task="question", seed=SEED)
    assert model.tokenizer is not None
    times = []
    for place in range(len(world)):
        question = world.target(place)
        assert isinstance(question, Question)
        if question.kind not in ("color", "shape") or len(world.scene(place).things) < 2:
            continue
        tokens = model.tokenizer.encode(question.text, field="question")
        target = ClassTarget((model.labels.index_of(question.answer),))
        drawn = heatmap(model, seen(model, world, place), tokens, target)
        mask = world.painting(place).masks[question.evidence[0]]
        if drawn.sum() > 0:
            times.append(drawn[mask].sum() / drawn.sum() / mask.mean())
    assert len(times) > 30
    assert np.mean(times) >= 3


def test_grad_cam_of_a_word_points_to_its_thing() -> None:
    """Colours and shapes: twice as strong inside the thing as outside."""
    model, world = Catalogue.read().load("shapes_captioner"), ShapesDataset(40, task="caption", seed=SEED)
    inside, outside = [], []
    for place in range(len(world)):
        said = words(world.scene(place))
        tokens = [*CAPTIONS.encode(" ".join(word for word, _ in said), field="text"), CAPTIONS.end]
        masks = world.painting(place).masks
        for position, (word, thing) in enumerate(said):
            if thing is None or word in ("a", "small"):
                continue
            target = ClassTarget((position,), output="score")
            drawn = heatmap(model, seen(model, world, place), tokens, target)
            if drawn.sum() > 0:
                drawn = drawn / drawn.sum()
                inside.append(drawn[masks[thing]].mean())
                outside.append(drawn[~masks[thing]].mean())
    assert len(inside) > 60
    assert np.mean(inside) / np.mean(outside) >= 2
