"""Trains all three and writes their weights: `python -m convscope.engine.shapes.training [FOLDER]`."""

import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from convscope.engine.shapes.networks.shipped import WEIGHTS
from convscope.engine.shapes.training.answerer import QUESTIONS, right_answers, train_answerer
from convscope.engine.shapes.training.captioner import right_captions, train_captioner
from convscope.engine.shapes.training.classifier import right_classes, train_classifier
from convscope.engine.shapes.training.examples import make_examples
from convscope.engine.shapes.training.eye import train_eye

SEED = 9
"""Of what they are trained on."""
PICTURES, CAPTION_PICTURES, SINGLE_PICTURES = 16_000, 32_000, 8_000
"""Of any number of things; the same and more, to learn whole sentences from; with one large thing."""
HELD_OUT, HELD_OUT_SEED = 2000, 10
"""Pictures that none of them has seen."""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    examples = make_examples("question", PICTURES, seed=SEED, asked=QUESTIONS)
    seeing = train_eye(examples, SEED)
    held_out = make_examples("question", HELD_OUT, seed=HELD_OUT_SEED)
    answerer = train_answerer(examples, seeing, SEED)
    _save(answerer, folder, "answerer", right_answers(answerer, held_out))
    captioner = train_captioner(make_examples("caption", CAPTION_PICTURES, seed=SEED), seeing, SEED)
    _save(captioner, folder, "captioner", right_captions(captioner, held_out))
    classifier = train_classifier(make_examples("class", SINGLE_PICTURES, seed=SEED), seeing, SEED)
    right = right_classes(classifier, make_examples("class", HELD_OUT, seed=HELD_OUT_SEED))
    _save(classifier, folder, "classifier", right)
    print(f"{time.monotonic() - begun:.0f} s in all")


def _save(module: nn.Module, folder: Path, name: str, answers: Tensor) -> None:
    """The file says of itself how it was made, and how good it is."""
    right = float(answers.float().mean())
    said = {"seed": str(SEED), "held_out": f"{HELD_OUT} pictures of seed {HELD_OUT_SEED}", "right": f"{right:.4f}"}
    save_file(module.state_dict(), folder / f"{name}.safetensors", metadata=said | {"torch": torch.__version__})
    print(f"{name}: {right:.2%} of {said['held_out']} right", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else WEIGHTS)
