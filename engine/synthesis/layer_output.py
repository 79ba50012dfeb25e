"""The pass up to a layer, and no further."""

import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convscope.engine.errors import InvalidInput, MethodUnsupported
from convscope.engine.models.layers import fold_grid
from convscope.engine.models.model import Model


class _Reached(BaseException):
    """Ends the pass. No Exception, so that no network catches it."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


class LayerOutput:
    """A network up to a layer, for pictures of any size. What comes behind is not run, a classifier of fixed size for
    instance. Of a layer that runs several times the last run counts."""

    def __init__(self, model: Model, layer: str, channels: Sequence[int] = (), *, fixed: bool = False) -> None:
        """layer: one with a grid, or any where pictures have the model's own size: `fixed`. channels: of the output
        those that count; none: all.

        Raises UnknownName; InvalidInput (OUT_OF_RANGE) for a channel that is not there; MethodUnsupported for tokens,
        whose number is fixed, and pictures of any size.
        """
        self._model = model
        self.layer = model.layers.layer(layer)
        for channel in channels:
            if not 0 <= channel < self.layer.channels:
                message = f"the layer {layer!r} has channels 0 to {self.layer.channels - 1}, not {channel}"
                raise InvalidInput(message, field="channels", reason="OUT_OF_RANGE")
        self._channels = torch.tensor(channels, device=model.device) if channels else None
        if self.layer.layout == "tokens" and not fixed:
            message = f"the layer {layer!r} gives tokens, whose number is fixed; a picture of any size needs a grid"
            raise MethodUnsupported(message, field="layer")

    def __call__(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] as the network takes them to [N, channels, height, width]; as it is where there is no grid."""
        left, mine = self.layer.calls, threading.get_ident()

        def note(_: nn.Module, __: Any, output: Tensor) -> None:
            nonlocal left
            if threading.get_ident() != mine:
                return
            left -= 1
            if not left:
                raise _Reached(output)

        handle = self._model.module.get_submodule(self.layer.name).register_forward_hook(note)
        try:
            self._model.module(images.clone() if self._model.layers.writes_to_images else images)
        except _Reached as reached:
            return self.folded(reached.output)
        finally:
            handle.remove()
        raise MethodUnsupported(f"the network no longer runs its layer {self.layer.name!r}", field="layer")

    def folded(self, output: Tensor) -> Tensor:
        """The layer's output, as the network has it, as this gives it."""
        grid = fold_grid(output, self.layer)
        return grid if self._channels is None else grid.index_select(1, self._channels)
