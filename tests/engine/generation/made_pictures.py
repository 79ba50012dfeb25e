"""Pictures that cost nothing, with something to learn: a bright bar on grey, somewhere."""

import torch
from torch import Tensor


def bars(count: int, height: int, width: int, seed: int = 3) -> Tensor:
    """uint8 [count, 3, height, width]."""
    chance = torch.Generator().manual_seed(seed)
    pictures = torch.full((count, 3, height, width), 90, dtype=torch.uint8)
    for picture in pictures:
        row, column, colour = (int(torch.randint(most, (), generator=chance)) for most in (height - 12, width - 12, 3))
        picture[colour, row : row + 12, column : column + 12] = 230
    return pictures
