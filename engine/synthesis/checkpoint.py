"""A synthesis in bytes: a safetensors file with a digest over all of it. Nothing is pickled."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from convscope.engine.synthesis.errors import CheckpointInvalid

FORMAT = "convscope synthesis 1"
_KEY = "synthesis"


@dataclass(frozen=True)
class Checkpoint:
    """Where a synthesis stands."""

    identity: Mapping[str, Any]
    """What it was taken of, plain JSON: only the same may go on from it."""
    step: int
    """Steps done."""
    tensors: dict[str, Tensor]

    def to_bytes(self) -> bytes:
        """A safetensors file; equal checkpoints give equal bytes."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        header = {"format": FORMAT, "identity": dict(self.identity), "step": self.step}
        header["digest"] = _digest(header, tensors)
        return save(tensors, {_KEY: json.dumps(header, sort_keys=True)})

    @classmethod
    def from_bytes(cls, data: bytes, identity: Mapping[str, Any]) -> "Checkpoint":
        """Read what to_bytes() gave, for whoever `identity` says. Raises CheckpointInvalid."""
        try:
            tensors = {name: tensor.clone() for name, tensor in load(data).items()}
            length = int.from_bytes(data[:8], "little")
            header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_KEY])
            digest = header.pop("digest")
            kind, found, step = header["format"], dict(header["identity"]), int(header["step"])
            whole = digest == _digest(header, tensors)
        except (
            SafetensorError,
            LookupError,
            ValueError,
            TypeError,
            AttributeError,
            OverflowError,
            RecursionError,
        ) as error:
            raise CheckpointInvalid(f"{len(data)} bytes that are no whole checkpoint of a synthesis") from error
        if not whole:
            raise CheckpointInvalid("the checkpoint is damaged: its digest is not that of what it holds")
        if kind != FORMAT:
            raise CheckpointInvalid(f"the checkpoint has the format {kind!r}, not {FORMAT!r}")
        for name in [*identity, *sorted(found.keys() - identity.keys())]:
            if identity.get(name) != found.get(name):
                raise CheckpointInvalid(f"the checkpoint is of another {_difference(name, found, identity)}")
        return cls(found, step, tensors)


def _difference(name: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    theirs, ours = found.get(name), wanted.get(name)
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for part in sorted({*theirs, *ours}):
            if theirs.get(part) != ours.get(part):
                return f"{name}: {part} is {theirs.get(part)!r} there, {ours.get(part)!r} here"[:300]
    return f"{name}: {theirs!r} there, {ours!r} here"[:300]


def _digest(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
