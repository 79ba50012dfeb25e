"""What Adam remembers, as tensors by name, so that a training can go on."""

import torch
from torch import Tensor

_PARTS = ("step", "exp_avg", "exp_avg_sq")


def adam_tensors(optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """Of each parameter the steps, and the means of its gradient and of its square; none before the first step."""
    state = optimizer.state_dict()["state"]
    return {f"{place}.{part}": values[part] for place, values in state.items() for part in _PARTS}


def restore_adam(optimizer: torch.optim.Adam, tensors: dict[str, Tensor]) -> None:
    """Go on from what adam_tensors() gave; a KeyError or ValueError for anything else."""
    parameters = optimizer.param_groups[0]["params"]
    if not tensors:
        return
    state = {}
    for place, parameter in enumerate(parameters):
        values = {part: tensors[f"{place}.{part}"] for part in _PARTS}
        if any(values[part].shape != parameter.shape for part in _PARTS[1:]):
            raise ValueError(f"the optimizer's memory of parameter {place} has another shape")
        state[place] = values
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
