"""What a blurred picture is rubbed sharp with."""

RADIUS = 1 / 12
"""Of a dab, part of the picture's longer side."""
STRENGTH = 0.35
"""By which part of what is lacking a dab sharpens its middle; less toward its rim, where it does nothing."""
BLUR = 1 / 14
"""Standard deviation of the Gaussian that blurs the picture, part of its longer side."""
SMOOTHING = RADIUS / 4
"""Of the one that smooths the map which is kept, part of the picture's longer side."""
