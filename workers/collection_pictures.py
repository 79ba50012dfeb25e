"""The images of a collection as a model sees them, kept on this machine's disk once they are read."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from convscope.engine.models.model import Model
from convscope.workers.collection_images import CollectionImages


class CollectionPictures:
    """What a prior is learned from, see Pictures of the engine."""

    def __init__(self, images: CollectionImages, count: int, model: Model, scratch: Path) -> None:
        """count: the first so many. scratch: a folder for one file, of as many bytes as the pictures have numbers."""
        self._images = images
        self._model = model
        shape = (count, 3, model.preprocessing.height, model.preprocessing.width)
        self._kept = np.lib.format.open_memmap(scratch / "pictures.npy", mode="w+", dtype=np.uint8, shape=shape)
        self._there = np.zeros(count, bool)

    def __len__(self) -> int:
        return len(self._there)

    def __getitem__(self, place: int) -> Tensor:
        """uint8 [3, height, width]. Raises as CollectionImages.picture()."""
        if not self._there[place]:
            self._kept[place] = self._model.preprocessing.crop(self._images.picture(place))[0].numpy()
            self._there[place] = True
        return torch.from_numpy(np.array(self._kept[place]))
