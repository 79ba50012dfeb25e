"""What is done to pictures between steps."""

from typing import Protocol

from torch import Tensor


class Prior(Protocol):
    """Moves pictures towards what pictures are like, each by itself."""

    def __call__(self, step: int, variables: Tensor, gradient: Tensor | None) -> Tensor:
        """[N, 3, H, W] to the same, in a tensor of its own or in place. step: steps done before this one. gradient: by
        which this step moved them, before it was filtered; None: it took none."""
