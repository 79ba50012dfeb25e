"""What the tab Dream can make, and what each needs to be told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DreamKind:
    """One of them."""

    name: str
    title: str
    call: str
    """The method of the client."""
    options: tuple[str, ...]
    """What somebody may say, besides the model."""
    steps: int
    """So many that it takes seconds on a processor without help."""
    counted: str = ""
    """What is to be added to a number of steps: in each octave."""
    attack: str = ""
    """Of an adversarial picture, where it is not the client's own choice."""
    picture: bool = False
    """Whether it works on the picture."""
    purpose: str = ""
    """Of its recipes; empty without."""
    recipe: str = ""
    """The one that is taken where nobody chooses."""
    confidence: float = 0.0
    """How sure the model is to be."""

    @property
    def steps_label(self) -> str:
        return f"Steps {self.counted}".strip()


DREAM_KINDS = {
    kind.name: kind
    for kind in (
        DreamKind(
            "class", "Class visualisation", "visualize_class",
            ("target", "recipes", "prior", "examples", "steps", "size", "seed"), 150,
            purpose="visualization", recipe="olah2017",
        ),
        DreamKind(
            "channel", "Channel visualisation", "visualize_channel",
            ("layer", "unit", "recipes", "prior", "examples", "steps", "size", "seed"), 150,
            purpose="visualization", recipe="olah2017",
        ),
        DreamKind(
            "dream", "DeepDream", "deep_dream", ("layer", "steps", "size", "seed"), 10, "in each octave",
            picture=True,
        ),
        DreamKind(
            "invert", "Feature inversion", "invert_features", ("recipes", "layer", "steps", "seed"), 150, picture=True,
            purpose="inversion", recipe="olah2017",
        ),
        DreamKind(
            "fool", "Fooling image", "create_adversarial", ("target", "confidence", "steps", "seed"), 100,
            "at most", attack="ascent", confidence=0.99,
        ),
        DreamKind(
            "change", "Adversarial change", "create_adversarial", ("target", "confidence", "steps", "seed"), 40,
            "at most", picture=True, confidence=0.9,
        ),
    )
}  # fmt: skip
