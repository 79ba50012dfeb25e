"""Weights from files, and their digest. Nothing is unpickled."""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from convscope.engine.errors import ModelUnloadable


def load_weights(module: nn.Module, path: Path, *, optional: tuple[str, ...] = ()) -> None:
    """Load a safetensors or state-dict file into a network, strictly.

    Keys that begin with one of `optional` are left out. A state dict may stand under "state_dict" and its keys
    may begin with "module.", as training scripts write them. Raises ModelUnloadable.
    """
    state = {
        key.removeprefix("module."): value
        for key, value in read_state_dict(path).items()
        if not key.removeprefix("module.").startswith(optional or ("\0",))
    }
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise ModelUnloadable(f"the weights in {path} do not fit the network: {_short(error)}") from error


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a file of tensors without running anything in it. Raises ModelUnloadable."""
    if not path.is_file():
        raise ModelUnloadable(f"there is no weights file {path}")
    try:
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (OSError, RuntimeError, ValueError, EOFError, SafetensorError) as error:
        raise ModelUnloadable(f"the weights file {path} cannot be read: {_short(error)}") from error
    except Exception as error:  # torch.load raises pickle's own errors for what it refuses to run
        raise ModelUnloadable(f"the weights file {path} is refused: {_short(error)}") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise ModelUnloadable(f"the weights file {path} holds no state dict")
    return state


def check_digest(path: Path, sha256: str) -> None:
    """Raise ModelUnloadable where a file's SHA-256 is not `sha256` (hex)."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256.lower():
        raise ModelUnloadable(f"the weights file {path} has SHA-256 {found}, not {sha256}")


def weights_digest(module: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and values of a network's weights and buffers, hex."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 400 else text[:400] + "..."
