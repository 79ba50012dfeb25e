"""Options of what is made to fool a model."""

import typer


def to_length(text: str) -> float:
    """0.03, or a fraction as the literature has it: 8/255. Raises BadParameter."""
    above, slash, below = text.partition("/")
    try:
        return float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError):
        raise typer.BadParameter(f"{text!r} is no number such as 0.03 or 8/255") from None
