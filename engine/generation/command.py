"""What the commands that train a prior share."""

import time
from pathlib import Path

from convscope.engine.generation.training import Training

TOLD_EVERY = 100
"""Steps."""


def run(training: Training, path: Path) -> None:
    """Take all steps, write the prior into a file, and tell how it goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    for progress in training:
        if progress.losses and progress.step % TOLD_EVERY == 0:
            losses = ", ".join(f"{kind} {loss:.4f}" for kind, loss in progress.losses.items())
            print(f"step {progress.step} of {progress.total}: {losses}, {time.monotonic() - begun:.0f} s", flush=True)
    prior = training.prior()
    prior.save(path)
    card = prior.card
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, {time.monotonic() - begun:.0f} s in all")
    print(f"held-out: pixels {card.pixel_error:.3f}, codes {card.feature_error:.3f}, noise {card.denoising_error:.3f}")
