"""Trains a prior of EfficientNet-Lite0 on crops of the photographs that come with scikit-image and scikit-learn:
`python -m convscope.engine.generation.train_photographs FOLDER`."""

import sys
from pathlib import Path

import skimage
import sklearn
from PIL import Image

from convscope.engine.generation.command import run
from convscope.engine.generation.crops import crops
from convscope.engine.generation.parameters import TrainingParameters
from convscope.engine.generation.pictures import seen
from convscope.engine.generation.training import Training
from convscope.engine.imaging.decode import decode
from convscope.engine.models.catalogue import Catalogue

NAME, LAYER = "efficientnet_lite0", "blocks.5"
SEED = 9
"""Of the crops."""
CROPS = 1000
PARAMETERS = TrainingParameters(
    preset="small", rate=2e-3, pixel_weight=8.0, feature_weight=1.0, noise=30.0, generator_noise=0.3, seed=SEED
)


def photographs() -> list[Image.Image]:
    """In colour."""
    data, images = Path(skimage.__file__).parent / "data", Path(sklearn.__file__).parent / "datasets" / "images"
    names = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
    files = [*(data / name for name in names), images / "china.jpg", images / "flower.jpg"]
    return [decode(file.read_bytes()) for file in files]


def main(folder: Path) -> None:
    model = Catalogue.read().load(NAME)
    pictures = seen(model, crops(photographs(), CROPS, SEED))
    training = Training(model, LAYER, pictures, PARAMETERS, source=f"{CROPS} crops of seed {SEED}")
    run(training, folder / f"{NAME}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
