"""What the pictures scored at each step, kept where the pictures are."""

import torch
from torch import Tensor


class History:
    """A row for each step: the loss, and each picture's score. Adding one copies nothing to the host."""

    def __init__(self, count: int, device: torch.device, rows: Tensor | None = None) -> None:
        """count: of pictures. rows: [steps, 1 + count], to go on from."""
        self._rows = torch.empty(64, 1 + count, device=device)
        self._length = 0
        if rows is not None:
            self._grow(len(rows))
            self._rows[: len(rows)].copy_(rows)
            self._length = len(rows)

    def __len__(self) -> int:
        return self._length

    def add(self, loss: Tensor, scores: Tensor) -> None:
        """loss: []. scores: [count]."""
        self._grow(self._length + 1)
        row = self._rows[self._length]
        row[0] = loss
        row[1:] = scores
        self._length += 1

    def rows(self) -> Tensor:
        """[steps, 1 + count], on the device."""
        return self._rows[: self._length]

    def _grow(self, length: int) -> None:
        if length > len(self._rows):
            larger = self._rows.new_empty(max(length, 2 * len(self._rows)), self._rows.shape[1])
            larger[: self._length] = self.rows()
            self._rows = larger
