"""Whether an explanation depends on what the network has learned."""

from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import nn


def cascade(module: nn.Module, *, seed: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """The network with more and more of its weights drawn anew, from the output to the input: each layer's name, and
    the network in which that layer and all behind it are random.

    A layer draws as it does when it is made. The network that was given stays as it is; the one that is handed out is
    the same each time, and changes. Adebayo et al. 2018, "Sanity Checks for Saliency Maps", 4.1.
    """
    changed = deepcopy(module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = torch.random.get_rng_state()
    for name, part in reversed(with_weights(changed)):
        # On the CPU, so that the same is drawn wherever the network is.
        drawn = deepcopy(part).cpu()
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.random.set_rng_state(state)
            drawn.reset_parameters()  # type: ignore[operator]
            state = torch.random.get_rng_state()
        part.load_state_dict(drawn.state_dict())
        yield name, changed


def with_weights(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The layers that draw weights when they are made, from the input to the output."""
    return [
        (name, part)
        for name, part in module.named_modules()
        if list(part.parameters(recurse=False)) and hasattr(part, "reset_parameters")
    ]
