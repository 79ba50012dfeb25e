"""Which pictures are learned from, and in what order."""

import torch
from torch import Tensor


class Order:
    """The same for the same seed at every step, whatever was asked for before."""

    def __init__(self, count: int, held_out: int, seed: int) -> None:
        """count: of pictures. held_out: how many of them are kept for the end."""
        places = self._shuffled(count, seed, 0)
        self.held_out, self.learned = places[:held_out], places[held_out:]
        """Places of pictures, int64."""
        self._seed = seed
        self._epoch: tuple[int, Tensor] | None = None

    def batch(self, step: int, size: int) -> Tensor:
        """Places of the pictures of a step: one pass over all that are learned from after the other, each in an order
        of its own, without a break between them."""
        first = step * size
        return torch.stack([self._at(place) for place in range(first, first + size)])

    def _at(self, place: int) -> Tensor:
        epoch, within = divmod(place, len(self.learned))
        if self._epoch is None or self._epoch[0] != epoch:
            order = self._shuffled(len(self.learned), self._seed, 1 + epoch)
            self._epoch = epoch, self.learned[order]
        return self._epoch[1][within]

    @staticmethod
    def _shuffled(count: int, seed: int, epoch: int) -> Tensor:
        # Seeds that follow each other are of different epochs.
        chance = torch.Generator().manual_seed((seed << 31) + epoch)
        return torch.randperm(count, generator=chance)
