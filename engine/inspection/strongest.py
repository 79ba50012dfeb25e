"""The images of a collection in which a layer's channels answer most, and where."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LAST = 0xFFFFFFFF


@dataclass(frozen=True)
class Strongest:
    """The k largest activations of every channel, the largest first; of equal ones the first image, the first place."""

    values: NDArray[np.float32]
    """[channels, at most k]."""
    images: NDArray[np.int64]
    """[channels, at most k]: number of the image."""
    places: NDArray[np.int32]
    """[channels, at most k]: row by row in the layer's grid, from 0."""

    @classmethod
    def of_images(cls, activation: Tensor, first: int, k: int) -> Self:
        """One place of each image: `activation`, [N, channels, height, width], of the images from number `first` on."""
        values, places = _finite(activation).flatten(2).max(2)  # of equal ones the first
        return cls._largest(values.T, places.T, torch.arange(len(values), device=values.device), first, k)

    @classmethod
    def of_places(cls, activation: Tensor, first: int, k: int) -> Self:
        """Any place of any image."""
        flat = _finite(activation).flatten(2)
        count, channels, area = flat.shape
        values = flat.transpose(0, 1).reshape(channels, -1)
        places = torch.arange(area, device=flat.device).repeat(count).expand(channels, -1)
        images = torch.arange(count, device=flat.device).repeat_interleave(area)
        return cls._largest(values, places, images, first, k)

    @classmethod
    def of_neurons(cls, activation: Tensor, first: int, k: int) -> Self:
        """Every place of every channel by itself: [channels * height * width, at most k], row by row."""
        values = _finite(activation).flatten(1).T
        area = activation.shape[2] * activation.shape[3]
        places = torch.arange(len(values), device=values.device).remainder(area)[:, None].expand_as(values)
        return cls._largest(values, places, torch.arange(len(activation), device=values.device), first, k)

    @classmethod
    def _largest(cls, values: Tensor, places: Tensor, images: Tensor, first: int, k: int) -> Self:
        """values, places: [channels, things]. images: [things]."""
        keys = _sortable(values)
        chosen = LAST - (_top(keys, min(k, keys.shape[1])) & LAST)
        return cls(
            values.gather(1, chosen).cpu().numpy(),
            images[chosen].cpu().numpy() + np.int64(first),
            places.gather(1, chosen).to(torch.int32).cpu().numpy(),
        )

    def with_others(self, others: "Strongest", k: int) -> "Strongest":
        """The k largest of these and those; images have different numbers."""
        values, images, places = (
            np.concatenate([getattr(one, name) for one in (self, others)], axis=1)
            for name in ("values", "images", "places")
        )
        order = np.lexsort((places, images, -values), axis=1)[:, :k]
        return Strongest(*(np.take_along_axis(array, order, axis=1) for array in (values, images, places)))


def _finite(activation: Tensor) -> Tensor:
    """What is no number is no answer."""
    return activation.float().nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)


def _sortable(values: Tensor) -> Tensor:
    """int64 of the same order as float32 [channels, things], in which of equal values the first is the largest: the
    value in the upper half, and LAST less the position in the lower."""
    bits = (values + 0.0).contiguous().view(torch.int32)  # -0 is 0
    halves = torch.empty((*bits.shape, 2), dtype=torch.int32, device=bits.device)
    halves[..., 1] = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    halves[..., 0] = -1 - torch.arange(bits.shape[1], dtype=torch.int32, device=bits.device)
    return halves.view(torch.int64).squeeze(-1)


def _top(keys: Tensor, k: int) -> Tensor:
    """The k largest of each row, the largest first."""
    if keys.device.type != "cpu":
        return keys.topk(k, dim=1).values
    # numpy partitions eight times as fast as torch finds.
    largest = np.partition(keys.numpy(), keys.shape[1] - k, axis=1)[:, keys.shape[1] - k :]
    return torch.from_numpy(np.sort(largest, axis=1)[:, ::-1].copy())
