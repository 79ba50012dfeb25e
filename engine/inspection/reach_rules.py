"""How far the result of an operation reaches into the picture, from how far its inputs do.

One side of the boxes at a time: where a tensor depends on the picture, a rule is given its reach, a tensor of the same
shape with the farthest pixel to that side on which each element depends; -inf where it depends on none. The reach of
the result is the maximum of what goes into it. The operations are those below autograd, of which PyTorch puts all
others together, with the names of their arguments there.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from math import inf
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import tree_leaves, tree_map_only

Found = Tensor | Sequence[Tensor] | None
"""The reach of the first result and of all that have its shape, or of each; None where the rule does not know."""


@dataclass(frozen=True)
class Rule:
    """What is known of an operation."""

    run: Callable[..., Found]
    """Called with the first result and the operation's arguments."""
    dependent: Collection[str] | None
    """The arguments that may depend on the picture; None: all."""


def rule_for(operation: OpOverload) -> Rule | None:
    """The rule for an operation, in place or not; None for one that could be anything."""
    schema = operation._schema
    if not schema.name.startswith("aten::") or "out" in schema.overload_name:
        return None
    name = schema.name.removeprefix("aten::")
    name = name if name.endswith("__") else name.removesuffix("_")
    # Operations in place are not all marked.
    plain = getattr(getattr(torch.ops.aten, name, None), schema.overload_name or "default", operation)
    if torch.Tag.pointwise in (*operation.tags, *plain.tags) or name in _ALSO_POINTWISE:
        return Rule(_pointwise, None)
    if name in _MOVING:
        return Rule(partial(_moved, plain), ["self", "tensors"])
    return _RULES.get(name)


def makes_anew(operation: OpOverload) -> bool:
    """Whether it needs nothing but shape and kind of its inputs."""
    name = operation._schema.name.removeprefix("aten::")
    return name.startswith("new_") or name.endswith("_like")


def _thin(reach: Tensor, kept: Iterable[int] = ()) -> Tensor:
    """Cut to one each dimension along which all is the same and held once, but for those kept."""
    wide = [dim % reach.ndim for dim in kept]
    for dim, (size, stride) in enumerate(zip(reach.shape, reach.stride(), strict=True)):
        if size > 1 and stride == 0 and dim not in wide:
            reach = reach.narrow(dim, 0, 1)
    return reach


def _pointwise(result: Tensor, **arguments: Any) -> Tensor:
    given = [_thin(leaf) for leaf in tree_leaves(arguments) if isinstance(leaf, Tensor)]
    return reduce(torch.maximum, given).expand(result.shape)


def _copied(result: Tensor, *, src: Tensor, **_: Any) -> Tensor:
    return src.expand(result.shape)


def _filled(result: Tensor, **_: Any) -> Tensor:
    return torch.tensor(-inf).expand(result.shape)


def _moved(operation: Callable[..., Any], _: Tensor, **arguments: Any) -> Found:
    """The elements are moved about: so is their reach, on the CPU, and so are the places by which it goes."""
    found: Found = operation(**tree_map_only(Tensor, Tensor.cpu, arguments))
    return found


def _reshaped(result: Tensor, *, self: Tensor, **_: Any) -> Tensor:
    return self.reshape(result.shape)


def _restrided(result: Tensor, *, self: Tensor, **_: Any) -> Found:
    """Known where all the memory is one row of numbers, as behind a global pooling."""
    row = [stride for size, stride in zip(result.shape, result.stride(), strict=True) if size > 1] in ([], [1])
    all_of_it = result.untyped_storage().nbytes() == result.numel() * result.element_size()
    return self if row and all_of_it and self.shape == result.shape else None


def _joined(result: Tensor, *, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    thin = [_thin(tensor, [dim]) for tensor in tensors if tensor.shape != (0,)]
    sizes = [max(of_dim) for of_dim in zip(*(tensor.shape for tensor in thin), strict=True)]
    sizes[dim] = -1
    return torch.cat([tensor.expand(sizes) for tensor in thin], dim).expand(result.shape)


def _padded(result: Tensor, *, self: Tensor, pad: Sequence[int], **_: Any) -> Tensor:
    touched = [-1 - place // 2 for place, size in enumerate(pad) if size]
    return F.pad(_thin(self, touched), list(pad), value=-inf).expand(result.shape)


def _slid(
    reach: Tensor, sizes: Sequence[int], *, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:  # fmt: skip
    """The maximum in windows over the last dimensions, of which the result has these sizes."""
    count = len(sizes)
    margins: list[int] = []
    windows = zip(reach.shape[-count:], sizes, kernel, stride, padding, dilation, strict=True)
    for size, places, width, step, before, spread in windows:
        margins = [before, (places - 1) * step + (width - 1) * spread + 1 - size - before, *margins]
    padded = F.pad(reach, margins, value=-inf)
    pool: Callable[..., Tensor] = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[count - 1]
    flat = padded.reshape(1, -1, *padded.shape[-count:])
    return pool(flat, tuple(kernel), tuple(stride), dilation=tuple(dilation)).reshape(*reach.shape[:-count], *sizes)


def _each(setting: Sequence[int], count: int) -> list[int]:
    """A setting for each of some dimensions, where one may stand for all."""
    return list(setting) * count if len(setting) == 1 else list(setting)


def _convolution(
    result: Tensor, *, input: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], transposed: bool, groups: int, **_: Any,
) -> Tensor:  # fmt: skip
    kernel = weight.shape[2:]
    count = len(kernel)
    stride, padding, dilation = (_each(setting, count) for setting in (stride, padding, dilation))
    reach = _thin(input, range(2, 2 + count))
    if reach.shape[1] > 1:
        reach = reach.reshape(len(reach), groups, -1, *reach.shape[2:]).amax(2)
    if transposed:
        # As a convolution of an input with gaps, mirrored.
        sizes = [(size - 1) * step + 1 for size, step in zip(reach.shape[2:], stride, strict=True)]
        spread = reach.new_full((*reach.shape[:2], *sizes), -inf)
        gaps: list[Any] = [slice(None, None, step) for step in stride]
        spread[(..., *gaps)] = reach
        padding = [(k - 1) * d - p for k, p, d in zip(kernel, padding, dilation, strict=True)]
        reach, stride = spread, [1] * count
    reach = _slid(reach, result.shape[2:], kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    if reach.shape[1] > 1:
        reach = reach.repeat_interleave(result.shape[1] // groups, 1)
    return reach.expand(result.shape)


def _pooling(
    result: Tensor, *, self: Tensor, kernel_size: Sequence[int], stride: Sequence[int] = (),
    padding: Sequence[int] = (0,), dilation: Sequence[int] = (1,), count: int, **_: Any,
) -> Tensor:  # fmt: skip
    kernel, padding, dilation = (_each(setting, count) for setting in (kernel_size, padding, dilation))
    stride = _each(stride, count) or kernel
    reach = _thin(self, range(-count, 0))
    reach = _slid(reach, result.shape[-count:], kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    return reach.expand(result.shape)


def _adaptive_pooling(result: Tensor, *, self: Tensor, **_: Any) -> Tensor:
    pooled: Tensor = F.adaptive_max_pool2d(_thin(self, (-2, -1)), tuple(result.shape[-2:]))
    return pooled.expand(result.shape)


def _bilinear(
    operation: Callable[..., Tensor], result: Tensor, *, self: Tensor, output_size: Any, align_corners: bool,
    scales_h: float | None = None, scales_w: float | None = None,
) -> Tensor:  # fmt: skip
    reach = _thin(self, (-2, -1))
    for dim, scale in ((2, scales_h), (3, scales_w)):
        # The weights that PyTorch itself uses, but for those that are mere rounding; one channel for each input.
        unit = torch.eye(self.shape[dim]).unsqueeze(0).unsqueeze(5 - dim)
        size = [result.shape[2], 1] if dim == 2 else [1, result.shape[3]]
        scales = [scale, None] if dim == 2 else [None, scale]
        used = operation(unit, size, align_corners, *scales).squeeze(5 - dim)[0].gt(1e-5).to(torch.int8)
        first, last = used.argmax(0), len(used) - 1 - used.flip(0).argmax(0)
        reach = torch.maximum(reach.index_select(dim, first), reach.index_select(dim, last))
    return reach.expand(result.shape)


def _reduced(result: Tensor, *, self: Tensor, dim: int | Sequence[int] | None = None, **_: Any) -> Tensor:
    dims = [dim] if isinstance(dim, int) else list(dim or range(self.ndim))
    reduced = _thin(self).amax(dims, keepdim=True)
    left = [1 if place in dims or place - self.ndim in dims else size for place, size in enumerate(self.shape)]
    return reduced.expand(left).reshape(result.shape)


def _mixed(reach: Tensor, dims: Sequence[int]) -> Tensor:
    """Each element depends on all along these dimensions."""
    return _thin(reach).amax(tuple(dims), keepdim=True).expand(reach.shape)


def _softmax(_: Tensor, *, self: Tensor, dim: int, **__: Any) -> Tensor:
    return _mixed(self, [dim])


def _layer_norm(_: Tensor, *, input: Tensor, normalized_shape: Sequence[int], **__: Any) -> Tensor:
    return _mixed(input, range(-len(normalized_shape), 0))


def _group_norm(result: Tensor, *, input: Tensor, group: int, **_: Any) -> Tensor:
    return _mixed(input.reshape(len(input), group, -1), [2]).reshape(result.shape)


def _batch_norm(_: Tensor, *, input: Tensor, training: bool = False, **__: Any) -> Tensor:
    return _mixed(input, [dim for dim in range(input.ndim) if dim != 1]) if training else input


def _product(result: Tensor, *, left: str, right: str, self: Tensor, **arguments: Any) -> Tensor:
    arguments["self"] = self
    far = [_thin(arguments[left]).amax(-1, keepdim=True), _thin(arguments[right]).amax(-2, keepdim=True)]
    return _pointwise(result, far=far, added=self if left != "self" else None)


def _attention(result: Tensor, *, query: Tensor, key: Tensor, value: Tensor, **arguments: Any) -> Found:
    masks = [arguments.get(name) for name in ("mask", "attn_mask", "attn_bias")]
    if arguments.get("is_causal") or any(mask is not None for mask in masks):
        return None
    everything = [_thin(given).amax((-2, -1), keepdim=True) for given in (key, value)]
    return _pointwise(result, far=[_thin(query).amax(-1, keepdim=True), *everything])


# Besides those that PyTorch marks.
_ALSO_POINTWISE = frozenset(["hardswish", "_prelu_kernel", "_to_copy", "detach", "alias", "native_dropout"])
_MOVING = frozenset(
    ["permute", "transpose", "t", "expand", "squeeze", "unsqueeze", "slice", "select", "split", "split_with_sizes",
     "unsafe_split", "unsafe_split_with_sizes", "unbind", "stack", "flip", "roll", "repeat", "index", "index_select",
     "unfold", "diagonal", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "reflection_pad2d",
     "replication_pad2d", "upsample_nearest2d", "_upsample_nearest_exact2d"]
)  # fmt: skip
_RULES: Mapping[str, Rule] = {
    "copy": Rule(_copied, ["self", "src"]),
    **dict.fromkeys(["fill", "zero"], Rule(_filled, ["self"])),
    **dict.fromkeys(["view", "_unsafe_view", "_reshape_alias"], Rule(_reshaped, ["self"])),
    "as_strided": Rule(_restrided, ["self"]),
    "cat": Rule(_joined, ["tensors"]),
    "constant_pad_nd": Rule(_padded, ["self"]),
    "convolution": Rule(_convolution, ["input"]),
    **dict.fromkeys(["max_pool2d_with_indices", "avg_pool2d"], Rule(partial(_pooling, count=2), ["self"])),
    **dict.fromkeys(["max_pool3d_with_indices", "avg_pool3d"], Rule(partial(_pooling, count=3), ["self"])),
    **dict.fromkeys(["_adaptive_avg_pool2d", "adaptive_max_pool2d"], Rule(_adaptive_pooling, ["self"])),
    "upsample_bilinear2d": Rule(partial(_bilinear, torch.ops.aten.upsample_bilinear2d), ["self"]),
    **dict.fromkeys(
        ["sum", "mean", "amax", "amin", "max", "min", "argmax", "argmin", "var", "std", "var_mean", "prod",
         "logsumexp", "linalg_vector_norm", "any", "all"],
        Rule(_reduced, ["self"]),
    ),
    **dict.fromkeys(["_softmax", "_log_softmax"], Rule(_softmax, ["self"])),
    "native_layer_norm": Rule(_layer_norm, ["input"]),
    "native_group_norm": Rule(_group_norm, ["input"]),
    **dict.fromkeys(
        ["native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "_native_batch_norm_legit",
         "_native_batch_norm_legit_no_training", "_batch_norm_no_update"],
        Rule(_batch_norm, ["input"]),
    ),
    "mm": Rule(partial(_product, left="self", right="mat2"), ["self", "mat2"]),
    "bmm": Rule(partial(_product, left="self", right="mat2"), ["self", "mat2"]),
    "addmm": Rule(partial(_product, left="mat1", right="mat2"), ["self", "mat1", "mat2"]),
    "baddbmm": Rule(partial(_product, left="batch1", right="batch2"), ["self", "batch1", "batch2"]),
    **dict.fromkeys(
        ["_native_multi_head_attention", "_scaled_dot_product_flash_attention",
         "_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_efficient_attention",
         "_scaled_dot_product_cudnn_attention"],
        Rule(_attention, ["query", "key", "value"]),
    ),
}  # fmt: skip
