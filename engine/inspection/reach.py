"""On which pixels what a network computes depends, followed through a pass operation by operation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.weak import WeakTensorKeyDictionary

from convscope.engine.inspection.reach_rules import makes_anew, rule_for


@dataclass(frozen=True)
class Reach:
    """The box of pixels on which each element of a tensor depends."""

    sides: tuple[Tensor, ...]
    """Left and top, both negated, right and bottom, each in the shape of the tensor: what depends on several things
    reaches as far as the farthest of them. -inf for an element that depends on no pixel. On the CPU, and expanded
    where all along a dimension is the same."""
    unknown: str = ""
    """The operation that could be anything, for which the whole picture was taken; empty where all is exact."""


class ReachTracking(TorchDispatchMode):
    """While it is entered it knows the reach of all that its thread computes from `image`, [1, C, H, W].

    A box holds all pixels that count for some weights and some picture: what an element depends on by the network's
    build, not by its numbers. What the network does to tensors without PyTorch, in NumPy say, it does not see.
    """

    def __init__(self, image: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        height, width = image.shape[-2:]
        rows, columns = torch.arange(float(height)).unsqueeze(1), torch.arange(float(width))
        self._whole = tuple(torch.tensor(float(side)) for side in (0, 0, width, height))
        # Reaches, and how often the memory had been written when they were right.
        self._known = WeakTensorKeyDictionary()
        # Of the memory in which there is anything of the image.
        self._writes: dict[StorageWeakRef, int] = {}
        # An operation that gave a mere number, by which anything may have been decided.
        self._lost = ""
        sides = (-columns, -rows, columns + 1, rows + 1)
        self._remember(image, Reach(tuple(side.expand(image.shape) for side in sides)))

    def reach(self, tensor: Tensor) -> Reach | None:
        """How far a tensor reaches; None where it does not depend on the image."""
        writes = self._writes.get(_memory_of(tensor))
        if writes is None:
            return None
        reach, then = self._known.get(tensor, (None, 0))  # type: ignore[no-untyped-call]
        if reach is None or then != writes:
            return self._all_of(tensor, "a write through another view")
        return reach  # type: ignore[no-any-return]

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        arguments = _by_name(func, args, kwargs or {})
        given = list(_tensors(arguments))
        reaches = {id(tensor): reach for tensor in given if (reach := self.reach(tensor)) is not None}
        output = func(*args, **(kwargs or {}))
        if (not reaches and not self._lost) or makes_anew(func):
            return output
        written = list(_tensors([arguments[name] for name in _written(func)]))
        results = list(_tensors(output))
        if not results and not written:
            self._lost = self._lost or func._schema.name
        for tensor, reach in zip(results, self._found(func, arguments, reaches, results), strict=True):
            self._remember(tensor, reach, written=any(tensor is other for other in written))
        for tensor in written:
            if not any(tensor is result for result in results):
                self._remember(tensor, self._all_of(tensor, func._schema.name), written=True)
        return output

    def _found(
        self, func: OpOverload, arguments: Mapping[str, Any], reaches: Mapping[int, Reach], results: Sequence[Tensor]
    ) -> Iterator[Reach]:
        before = self._lost or next((reach.unknown for reach in reaches.values() if reach.unknown), "")
        try:
            sides = None if self._lost else _apply(func, arguments, reaches, results)
        except (RuntimeError, TypeError, ValueError, IndexError):
            # The operation is called in a way that its rule does not know.
            sides = None
        for place, result in enumerate(results):
            found = tuple(side[place] for side in sides) if sides else ()
            if found and all(side.shape == result.shape for side in found):
                yield Reach(found, before)
            else:
                yield self._all_of(result, before or func._schema.name)

    def _all_of(self, tensor: Tensor, unknown: str) -> Reach:
        return Reach(tuple(side.expand(tensor.shape) for side in self._whole), unknown.removeprefix("aten::"))

    def _remember(self, tensor: Tensor, reach: Reach, *, written: bool = False) -> None:
        memory = _memory_of(tensor)
        self._writes[memory] = self._writes.get(memory, 0) + written
        self._known[tensor] = (reach, self._writes[memory])


def _apply(
    func: OpOverload, arguments: Mapping[str, Any], reaches: Mapping[int, Reach], results: Sequence[Tensor]
) -> list[Sequence[Tensor]] | None:
    """For each side the reach of each result; None where no rule knows."""
    rule = rule_for(func)
    if rule is None or not results:
        return None
    dependent = arguments if rule.dependent is None else rule.dependent
    others = [value for name, value in arguments.items() if name not in dependent]
    if any(id(tensor) in reaches for tensor in _tensors(others)):
        return None
    sides: list[Sequence[Tensor]] = []
    for number in range(4):
        side = partial(_side, reaches, number)
        given = {
            name: tree_map_only(Tensor, side, value) if name in dependent else value
            for name, value in arguments.items()
        }
        found = rule.run(results[0], **given)
        if found is None:
            return None
        sides.append([found] * len(results) if isinstance(found, Tensor) else found)
    return sides


def _side(reaches: Mapping[int, Reach], number: int, tensor: Tensor) -> Tensor:
    reach = reaches.get(id(tensor))
    return reach.sides[number] if reach else torch.tensor(-inf).expand(tensor.shape)


def _memory_of(tensor: Tensor) -> StorageWeakRef:
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]


def _by_name(func: OpOverload, args: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an operation, defaults included."""
    known = func._schema.arguments
    defaults = {argument.name: argument.default_value for argument in known if argument.has_default_value()}
    return defaults | {argument.name: value for argument, value in zip(known, args, strict=False)} | dict(options)


def _written(func: OpOverload) -> list[str]:
    """The arguments that an operation writes to."""
    return [argument.name for argument in func._schema.arguments if argument.is_write]


def _tensors(value: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))
