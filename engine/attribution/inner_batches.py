"""How many changed pictures a method runs at once: what the memory carries, whatever the caller asks for."""

from collections.abc import Callable
from math import inf
from pathlib import Path

import torch
from torch import Tensor

from convscope.engine.attribution.batch import Batch
from convscope.engine.memory import out_of_memory

# More pictures at once are no faster.
MOST = {"cpu": 8, "cuda": 128}
# Of the free memory; the rest is for others and for what a pass needs between its layers.
SHARE = 0.25
# On a machine that does not tell (no Linux), bytes.
UNKNOWN = 4 << 30


def in_inner_batches(batch: Batch, total: int, run: Callable[[range], None], *, gradients: bool) -> None:
    """Call `run` with ranges that cover 0 to `total`, as many at once as the memory carries.

    gradients: whether a pass keeps its graph. A range that runs out of memory is run again in halves, so `run` changes
    nothing before it is done. The batch's progress is told before each.
    """
    size, start = _size(batch, gradients), 0
    while start < total:
        batch.progress(start, total)
        rows = range(start, min(start + size, total))
        try:
            run(rows)
        except (RuntimeError, MemoryError) as error:
            if len(rows) == 1 or not out_of_memory(error):
                raise
            size = len(rows) // 2
        else:
            start = rows.stop
    batch.progress(total, total)


def _size(batch: Batch, gradients: bool) -> int:
    images = batch.images
    numbers = images[0].numel() + sum(_count(layer.output_shape) for layer in batch.layers.layers)
    # With a graph every output is kept, and so are the gradients on their way; without, a few at a time.
    bytes_each = numbers * images.element_size() * (2 if gradients else 1)
    most = MOST.get(images.device.type, MOST["cuda"])
    return max(1, min(most, int(free_memory(images) * SHARE / bytes_each)))


def free_memory(tensor: Tensor) -> int:
    """Bytes that are free where a tensor lives."""
    if tensor.is_cuda:
        free, _ = torch.cuda.mem_get_info(tensor.device)
        reserved = torch.cuda.memory_reserved(tensor.device) - torch.cuda.memory_allocated(tensor.device)
        return free + reserved
    return free_machine_memory()


def free_machine_memory(root: Path = Path("/")) -> int:
    """Bytes that Linux can give this process, page cache that may be dropped for it included: what the machine has, or
    what the limits of the container leave where that is less."""
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        free = UNKNOWN
    return int(min(free, _left_by_limits(root)))


def _left_by_limits(root: Path) -> float:
    """The least that the control groups of this process, and those around them, leave; infinity without a limit."""
    try:
        groups = [line.split(":", 2)[1:] for line in (root / "proc/self/cgroup").read_text().splitlines()]
    except OSError:
        return inf
    left = inf
    for controllers, path in groups:
        if controllers == "":  # version 2
            mounted, files = "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            mounted = "sys/fs/cgroup/memory"
        else:
            continue
        # In a container the path may be that of the host; its own group is then where they are mounted.
        group = root / mounted / path.strip("/")
        left = min(left, *(_left(folder, *files) for folder in (group, *group.parents)))
    return left


def _left(group: Path, limit: str, use: str, cache: str) -> float:
    """What is left of the limit of one control group."""
    try:
        reclaimable = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())[cache]
        return int((group / limit).read_text()) - int((group / use).read_text()) + int(reclaimable)
    except (OSError, ValueError, KeyError):  # no such group, or no limit ("max")
        return inf


def _count(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()
