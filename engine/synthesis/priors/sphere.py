"""Pictures on a sphere: only what they show can change. Erhan et al. 2009, section 3."""

import torch
from torch import Tensor


class Sphere:
    """Scales each picture to one root mean square; one of zeros stays one."""

    def __init__(self, root_mean_square: float) -> None:
        self._wanted = root_mean_square

    def __call__(self, step: int, variables: Tensor, gradient: Tensor | None) -> Tensor:
        """As Prior."""
        found = variables.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        # Divided first: the wanted one over the smallest number is infinite.
        return variables / found.clamp_min(torch.finfo(found.dtype).tiny) * self._wanted
