"""The one call of the library."""

import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from convscope.engine.attribution.method import TOP_CLASS
from convscope.engine.attribution.methods import find_method
from convscope.engine.errors import InvalidInput

_locks: WeakKeyDictionary[nn.Module, threading.Lock] = WeakKeyDictionary()
_locks_lock = threading.Lock()

Targets = int | Sequence[int] | Tensor | None


def attribute(module: nn.Module, images: Tensor, targets: Targets, method: str, **parameters: Any) -> Tensor:
    """Explain a batch of images with one method.

    module: any network that gives class scores [N, classes]; use it in evaluation mode.
    images: float [N, 3, H, W], preprocessed as the network expects.
    targets: a class for each image (sequence or int64 tensor), one class for all, or None for the class with the
        highest score.
    method: a name of methods.METHODS; `parameters` are its own.

    Returns the signed attributions, [N, ...] in the method's own shape. The module is as before afterwards, also
    after an error; calls from several threads on one module take turns.

    Raises UnknownName, InvalidParameter, InvalidInput, MethodUnsupported.
    """
    found, checked = find_method(method, parameters)
    if not isinstance(images, Tensor) or images.ndim != 4 or not images.is_floating_point() or not len(images):
        raise InvalidInput("images must be a float tensor [N, 3, H, W] of at least one image", field="images")
    # Inference tensors cannot take part in a backward pass.
    with torch.inference_mode(False), _turn(module):
        if images.is_inference():
            images = images.clone()
        classes = _targets(targets, images)
        return found.attribute(module, images, classes, checked).values


def _targets(targets: Targets, images: Tensor) -> Tensor:
    count = images.shape[0]
    if targets is None:
        return torch.full((count,), TOP_CLASS, device=images.device)
    try:
        classes = torch.as_tensor(targets)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidInput(f"targets are class indices: {error}", field="targets") from error
    if classes.is_floating_point() or classes.is_complex() or classes.dtype == torch.bool:
        raise InvalidInput(f"targets are class indices, not {classes.dtype}", field="targets")
    if classes.ndim and classes.shape != (count,):
        raise InvalidInput(f"{count} images, but targets of shape {list(classes.shape)}", field="targets")
    if (classes < 0).any():
        raise InvalidInput("a target is negative", field="targets", reason="UNKNOWN_CLASS")
    return classes.to(images.device, torch.int64).expand(count).clone()


def _turn(module: nn.Module) -> threading.Lock:
    with _locks_lock:
        return _locks.setdefault(module, threading.Lock())
