"""A second classifier of the small world, that shares neither pictures nor weights nor seed with the one that ships:
`python -m tests.engine.generation.judge` trains it, ten minutes on a core, and writes its weights beside this file."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from convscope.engine.shapes.networks.classifier import Classifier
from convscope.engine.shapes.networks.eye import FEATURES, eye
from convscope.engine.shapes.networks.reading import PREPROCESSING
from convscope.engine.shapes.training.classifier import right_classes
from convscope.engine.shapes.training.examples import KINDS, Examples, make_examples
from convscope.engine.shapes.training.loop import train

WEIGHTS = Path(__file__).with_name("judge.safetensors")
SEED, PICTURES = 31, 6000


def train_judge(examples: Examples) -> Classifier:
    """The eye first, then all of it, twice."""
    torch.manual_seed(SEED)
    seeing = eye()
    naming = nn.Sequential(seeing, nn.Conv2d(FEATURES, KINDS, 1))

    def places_loss(places: Tensor) -> Tensor:
        return functional.cross_entropy(naming(examples.inputs(places)), examples.places[places].long())

    train(naming, len(examples), places_loss, epochs=4, seed=SEED, rate=4e-3)
    torch.manual_seed(SEED)
    judge = Classifier()
    judge.eye.load_state_dict(seeing.state_dict())

    def loss(places: Tensor) -> Tensor:
        return functional.cross_entropy(judge(examples.inputs(places)), examples.labels[places])

    train(judge, len(examples), loss, epochs=4, seed=SEED, rate=2e-3)
    train(judge, len(examples), loss, epochs=8, seed=SEED + 1, rate=4e-3)
    return judge


def load_judge() -> Classifier:
    """As it was trained."""
    judge = Classifier()
    judge.load_state_dict(load_file(WEIGHTS))
    return judge.eval().requires_grad_(False)


def features(judge: Classifier, pictures: Tensor) -> Tensor:
    """What its last layer is given, [N, FEATURES], for uint8 pictures [N, 3, 64, 64]."""
    with torch.no_grad():
        seen: Tensor = judge.flatten(judge.pool(judge.eye(PREPROCESSING.normalize(pictures))))
    return seen


if __name__ == "__main__":
    judge = train_judge(make_examples("class", PICTURES, seed=SEED))
    save_file(judge.state_dict(), WEIGHTS)
    right = right_classes(judge, make_examples("class", 1000, seed=SEED + 1)).float().mean()
    print(f"{float(right):.2%} of 1000 pictures of another seed right")  # noqa: T201
