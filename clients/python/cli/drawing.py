"""Options of what is drawn, and where it goes."""

from pathlib import Path
from typing import Annotated

import typer

from convscope.engine.imaging.overlay import OPACITY

Photo = Annotated[Path, typer.Argument(help="A JPEG, PNG or WebP picture.")]
Opacity = Annotated[float, typer.Option("--opacity", min=0, max=1, help="Of its strongest places.")]
Colormap = Annotated[str, typer.Option("--colormap", help="turbo, viridis, magma or gray.")]
Sheet = Annotated[Path | None, typer.Option("--output", "-o", help="The sheet (.png, .jpg, .webp).")]
DEFAULT_OPACITY = OPACITY
DEFAULT_COLORMAP = "turbo"
