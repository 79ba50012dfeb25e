"""The one call of the library."""

import threading
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from convscope.engine.attribution.batch import Batch, Progress, unwatched
from convscope.engine.attribution.explain import explain
from convscope.engine.attribution.method import Attribution, ScanMethod
from convscope.engine.attribution.methods import find_method
from convscope.engine.attribution.target import ClassTarget, Target, Targets
from convscope.engine.errors import InvalidInput
from convscope.engine.models.preprocessing import Preprocessing
from convscope.engine.words.given import Given

_locks: WeakKeyDictionary[nn.Module, threading.Lock] = WeakKeyDictionary()
_locks_lock = threading.Lock()

Asked = int | Target | Sequence[int | Target] | Tensor | None
"""What is explained: a class or a Target for each image, one for all, or None for the class with the highest score."""


def attribute(module: nn.Module, images: Tensor, targets: Asked, method: str, /, **parameters: Any) -> Tensor:
    """Explain a batch of images with one method: attribute_fully() without what the pass gave beside the values."""
    return attribute_fully(module, images, targets, method, **parameters).values


def attribute_fully(
    module: nn.Module,
    images: Tensor,
    targets: Asked,
    method: str,
    /,
    *,
    preprocessing: Preprocessing | None = None,
    progress: Progress = unwatched,
    **parameters: Any,
) -> Attribution:
    """Explain a batch of images with one method.

    module: any network that gives class scores [N, classes]; use it in evaluation mode.
    images: float [N, 3, H, W], preprocessed as the network expects.
    targets: a class or a Target for each image (sequence or int64 tensor), one for all, or None for the class with the
        highest score. They read the same output: scores, or one layer.
    method: a name of methods.METHODS; `parameters` are its own.
    preprocessing: what made the images of pixels, for methods that fill in a colour; None: as torchvision does.
    progress: told (done, in all) before each internal batch of a long method; what it raises ends the call.

    The attribution's values are signed, [N, channels, height, width] in the method's own shape. The module is as before
    afterwards, also after an error; calls from several threads on one module take turns.

    Raises UnknownName, InvalidParameter, InvalidInput, MethodUnsupported.
    """
    found, checked = find_method(method, parameters)
    if not isinstance(images, Tensor) or images.ndim != 4 or not images.is_floating_point() or not len(images):
        raise InvalidInput("images must be a float tensor [N, 3, H, W] of at least one image", field="images")
    if isinstance(module, Given) and module.sentences > 1 and isinstance(found, ScanMethod):
        message = f"{method} explains one sentence at a time; this network was given {module.sentences}"
        raise InvalidInput(message, field="images")
    # Inference tensors cannot take part in a backward pass.
    with torch.inference_mode(False), _turn(module):
        if images.is_inference():
            images = images.clone()
        asked = _targets(targets, len(images))
        batch = Batch(module, images.detach(), asked, preprocessing or Preprocessing(), progress)
        return explain(batch, found, checked)


def _targets(targets: Asked, count: int) -> Targets:
    if targets is None:
        return Targets((ClassTarget(),) * count)
    if isinstance(targets, Target):
        return Targets((targets,) * count)
    if isinstance(targets, Sequence) and any(isinstance(target, Target) for target in targets):
        each = tuple(
            target if isinstance(target, Target) else ClassTarget(tuple(_classes(target, 1))) for target in targets
        )
        if len(each) != count:
            raise InvalidInput(f"{count} images, but {len(each)} targets", field="targets")
        if len({Targets.kind(target) for target in each}) > 1:
            message = "the targets of one call read one output: scores, probabilities, or the same layer"
            raise InvalidInput(message, field="targets")
        return Targets(each)
    return Targets(tuple(ClassTarget((index,)) for index in _classes(targets, count)))


def _classes(targets: Any, count: int) -> list[int]:
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
    return [int(index) for index in classes.expand(count).tolist()]


def _turn(module: nn.Module) -> threading.Lock:
    with _locks_lock:
        return _locks.setdefault(module, threading.Lock())
