"""The pictures of a sheet that a job has left, cut out of it again: the page lays them out itself."""

from PIL import Image, ImageChops

from convscope.engine.imaging.contact_sheet import CELL, MARGIN, PAPER, pitch


def sheet_pictures(
    sheet: Image.Image, cell: tuple[int, int] = CELL, *, captions: bool = True
) -> list[list[Image.Image]]:
    """Row by row. cell: the width and height that each picture may have there. captions: whether there is room for
    what they say."""
    width, height = cell
    step_x, step_y = pitch(cell, captions=captions)
    rows = []
    for top in range(MARGIN, sheet.height - height, step_y):
        lefts = range(MARGIN, sheet.width - MARGIN, step_x)
        cells = [sheet.crop((left, top, left + width, top + height)) for left in lefts]
        rows.append([one.crop(bounds) for one in cells if (bounds := _bounds(one))])
    return rows


def _bounds(cell: Image.Image) -> tuple[int, int, int, int] | None:
    """Of what is not paper; None: there is nothing else."""
    return ImageChops.difference(cell, Image.new("RGB", cell.size, PAPER)).getbbox()
