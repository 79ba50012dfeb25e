"""What there is in the small world, and the words for it."""

SHAPES = ("circle", "square", "triangle", "star")
COLORS = {
    "red": (214, 40, 40),
    "green": (48, 160, 62),
    "blue": (44, 84, 220),
    "yellow": (240, 206, 48),
    "purple": (150, 52, 190),
    "white": (244, 244, 244),
}
"""RGB."""
SIZES = {"small": (5.0, 6.0), "large": (9.0, 11.0)}
"""Radius of the circle around a thing, pixels, from and to."""
LABELS = tuple(f"{color} {shape}" for color in COLORS for shape in SHAPES)
"""Classes: of what the largest thing is."""
CAPTION_WORDS = ("a", "small", *COLORS, *SHAPES, "and", "left", "of", "above")
QUESTION_WORDS = (
    *("what", "color", "shape", "is", "the", "thing", "how", "many", "are", "there", "a", "left", "of"),
    *COLORS,
    *SHAPES,
    *(f"{shape}s" for shape in SHAPES),
)
MOST = 4
"""Things in a picture."""
ANSWERS = ("yes", "no", *(str(count) for count in range(MOST + 1)), *COLORS, *SHAPES)
