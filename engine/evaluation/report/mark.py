"""Marks that tell lines apart where colours do not."""

from convscope.engine.evaluation.report.svg import element

_PATHS = (
    "m-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0 -6.8 0z",
    "m-3 -3h6v6h-6z",
    "m0 -4.2l3.8 6.6h-7.6z",
    "m0 -4.4l4.4 4.4l-4.4 4.4l-4.4 -4.4z",
)
KINDS = 2 * len(_PATHS)
"""Circle, square, triangle and diamond, full and hollow."""


def mark(x: float, y: float, kind: int, **attributes: str | float) -> str:
    """kind: 0 to KINDS - 1."""
    hollow = " hollow" if kind >= len(_PATHS) else ""
    path = f"M{x:.1f} {y:.1f}{_PATHS[kind % len(_PATHS)]}"
    return element("path", class_=f"mark{hollow}", d=path, **attributes)
