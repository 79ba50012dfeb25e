"""The ways in which one network can be run."""

import threading
from collections.abc import Collection
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor, nn

from convscope.engine.errors import InvalidInput
from convscope.engine.models.folding import Folded, fold_batch_norm, sharing
from convscope.engine.models.layers import share_layers

Precision = Literal["float32", "bfloat16"]
# Rounding of folded weights stays a hundred times below it.
TOLERANCE = 1e-3


class Variants:
    """A network, its copy with batch norm folded, and both in bfloat16; safe to use from several threads.

    All have the original's names and its map of the layers, and take and give float32. What needs no bfloat16 costs no
    memory for it.
    """

    def __init__(self, module: nn.Module, example: Tensor) -> None:
        """example: a picture that the network takes, [1, 3, H, W]; folding that changes its scores is not used."""
        self._original = module
        self._folded = fold_batch_norm(module)
        if not _same_scores(module, self._folded.module, example):
            self._folded = Folded(module, frozenset())
        self._device = example.device
        self._bfloat16: dict[nn.Module, nn.Module] = {}
        self._making = threading.Lock()
        share_layers(module, self._folded.module)

    def module(self, precision: Precision, layers: Collection[str] = ()) -> nn.Module:
        """The fastest network in which every one of `layers` gives what it gives in the original.

        Raises InvalidInput (PRECISION_UNSUPPORTED).
        """
        module = self._folded.module if self._folded.changed.isdisjoint(layers) else self._original
        if precision == "float32":
            return module
        if not bfloat16_supported(self._device):
            message = "this device does not compute in bfloat16; use float32"
            raise InvalidInput(message, field="precision", reason="PRECISION_UNSUPPORTED")
        with self._making:
            if module not in self._bfloat16:
                self._bfloat16[module] = _in_bfloat16(module)
                share_layers(self._original, self._bfloat16[module])
            return self._bfloat16[module]


@torch.no_grad()
def _same_scores(module: nn.Module, other: nn.Module, example: Tensor) -> bool:
    if module is other:
        return True
    expected = module(example)
    return bool((other(example) - expected).abs().max() <= TOLERANCE * expected.abs().max())


def bfloat16_supported(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16. Without them it is slower than float32."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _in_bfloat16(module: nn.Module) -> nn.Module:
    """A copy in bfloat16 with float32 at its ends. A batch norm takes that and keeps its own numbers exact, at the same
    speed."""
    memo = sharing(module)
    exact = {key for part in module.modules() if type(part) is nn.BatchNorm2d for key in sharing(part)}
    for key, tensor in memo.items():
        if key not in exact and tensor.is_floating_point():
            rounded = tensor.detach().bfloat16()
            memo[key] = nn.Parameter(rounded, requires_grad=False) if isinstance(tensor, nn.Parameter) else rounded
    copy: nn.Module = deepcopy(module, memo)
    kind = type(module)

    def forward(self: nn.Module, images: Tensor) -> Tensor:
        scores: Tensor = kind.forward(self, images.bfloat16())
        return scores.float()

    # Not a module around it, which would change the names, nor a hook, which torch.fx does not see.
    copy.__class__ = type(kind.__name__, (kind,), {"forward": forward})
    return copy
