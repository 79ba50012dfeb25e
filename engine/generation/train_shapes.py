"""Trains a prior of the small world's classifier: `python -m convscope.engine.generation.train_shapes FOLDER`."""

import sys
from pathlib import Path

from convscope.engine.generation.command import run
from convscope.engine.generation.parameters import TrainingParameters
from convscope.engine.generation.training import Training
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.shapes.training.examples import make_examples

NAME, LAYER = "shapes_classifier", "eye.block5"
SEED = 9
"""Of the pictures, as of those that the classifier was trained on."""
PICTURES = 8000
PARAMETERS = TrainingParameters(
    preset="tiny", rate=2e-3, pixel_weight=4.0, feature_weight=1.0, noise=30.0, generator_noise=0.3, seed=SEED
)


def main(folder: Path) -> None:
    examples = make_examples("class", PICTURES, seed=SEED)
    source = f"{PICTURES} pictures of seed {SEED}"
    training = Training(Catalogue.read().load(NAME), LAYER, examples.images, PARAMETERS, source=source)
    run(training, folder / f"{NAME}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
