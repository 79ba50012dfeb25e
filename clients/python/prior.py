"""Learned priors: what pictures look like to a layer, and how good what was learned is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage

from convscope.client.collection_info import in_number
from convscope.client.job_info import JobInfo
from convscope.client.synthesis import to_picture

SAMPLES, PRIOR_FILE = "samples.png", "prior.safetensors"


@dataclass(frozen=True)
class PriorInfo:
    """A learned prior: a generator from a layer's output, the code, to the picture, and a denoiser of codes."""

    name: str
    """What the calls take as `prior`: the name of one that ships, or of the job that trained it, without its jobs/."""
    model: str
    """The model whose features it is made of; it goes with no other."""
    weights_digest: str
    """SHA-256 of that model's weights, as in Model; with others it is refused."""
    layer: str
    """The layer whose output is the code."""
    code_shape: tuple[int, ...]
    """Of a code: channels, height and width; a vector has 1 and 1."""
    height: int
    """Of its pictures, pixels."""
    width: int
    """Of its pictures, pixels."""
    training: Mapping[str, Any] = field(hash=False)
    """How it was trained, as the call takes it: collection.train_prior(model=..., layer=..., **prior.training)."""
    image_count: int
    """Pictures that it was trained on."""
    held_out_count: int
    """Others, that its errors were measured on."""
    pixel_error: float
    """Root mean square of what it misses of a held-out picture of whose code it makes one; values from 0 to 1."""
    feature_error: float
    """Mean square of what the made picture's code misses, over the variance: 1 is as good as the mean."""
    denoising_error: float
    """Mean square of what the denoiser leaves of its noise, over the noise's: 1 is as good as nothing."""
    collection: str
    """collections/{collection} that it was trained on; empty for one that ships."""
    file: str
    """jobs/{job}/artifacts/{artifact}; empty for one that ships."""
    created: datetime | None
    """When it was made, in UTC; None for one that ships."""

    def __str__(self) -> str:
        """4f0c: head of efficientnet_lite0, pictures of 64 x 64 pixels, learned from 900 images; errors: pixels 0.081,
        features 0.32, denoising 0.45."""
        learned = f"{self.width} x {self.height} pixels, learned from {in_number(self.image_count, 'image')}"
        errors = f"pixels {self.pixel_error:.3f}, features {self.feature_error:.2f}"
        errors = f"{errors}, denoising {self.denoising_error:.2f}"
        return f"{self.name}: {self.layer} of {self.model}, pictures of {learned}; errors: {errors}"


@dataclass(frozen=True, eq=False)
class TrainedPrior:
    """A prior that a job has trained, and samples of what it makes. Those are here; they are decoded when asked for.
    The prior itself stays in the cluster: visualize_class(prior=...) takes it by its name."""

    job: JobInfo
    """The job that trained it, as it ended; the prior is kept until that is deleted."""
    prior: PriorInfo
    """What it is of, and how good it is."""
    files: Mapping[str, bytes] = field(repr=False)
    """samples.png. The prior's file, prior.safetensors, is left to CollectionJob.download_to()."""

    @cached_property
    def samples(self) -> PillowImage.Image:
        """RGB: held-out pictures, each with what the prior makes of its code."""
        return to_picture(self.files[SAMPLES], SAMPLES)

    def __str__(self) -> str:
        return str(self.prior)

    def save(self, folder: str | Path) -> list[Path]:
        """Write samples.png into a folder, which is made where there is none. Gives its path, in a list. Raises
        OSError."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        (place / SAMPLES).write_bytes(self.files[SAMPLES])
        return [place / SAMPLES]

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return self.files[SAMPLES]
