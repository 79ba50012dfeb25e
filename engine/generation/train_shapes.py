"""Trains a prior of the small world's classifier: `python -m convscope.engine.generation.train_shapes FOLDER`."""

import sys
import time
from pathlib import Path

from convscope.engine.generation.parameters import TrainingParameters
from convscope.engine.generation.training import Training
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.shapes.training.examples import make_examples

NAME, LAYER = "shapes_classifier", "flatten"
SEED = 9
"""Of the pictures, as of those that the classifier was trained on."""
PICTURES = 8000
PARAMETERS = TrainingParameters(preset="tiny", pixel_weight=0.5, feature_weight=1.0, adversarial_weight=0.05, seed=SEED)
TOLD_EVERY = 100
"""Steps."""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    examples = make_examples("class", PICTURES, seed=SEED)
    source = f"{PICTURES} pictures of seed {SEED}"
    training = Training(Catalogue.read().load(NAME), LAYER, examples.images, PARAMETERS, source=source)
    for progress in training:
        if progress.step % TOLD_EVERY == 0:
            losses = ", ".join(f"{kind} {loss:.4f}" for kind, loss in progress.losses.items())
            print(f"step {progress.step} of {progress.total}: {losses}, {time.monotonic() - begun:.0f} s", flush=True)
    prior = training.prior()
    path = folder / f"{NAME}.safetensors"
    prior.save(path)
    card = prior.card
    print(f"{path.stat().st_size / 1e6:.2f} MB, {time.monotonic() - begun:.0f} s in all")
    print(f"held-out: pixels {card.pixel_error:.3f}, codes {card.feature_error:.3f}, noise {card.denoising_error:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
