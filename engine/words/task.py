"""What a network does with a picture."""

from collections.abc import Mapping
from typing import Literal

from convscope.engine.errors import TaskUnsupported

Task = Literal["classify", "caption", "vqa"]
"""Names what is in it; describes it in a sentence (a Captioner); or answers a question (called with pictures and the
questions' tokens)."""
DOES: Mapping[Task, str] = {"classify": "names classes", "caption": "captions pictures", "vqa": "answers questions"}


def check_task(name: str, task: Task, wanted: Task, *, field: str) -> None:
    """Raises TaskUnsupported for a model of another task than is wanted. field: that cannot be for this model."""
    if task != wanted:
        message = f"the model {name} {DOES[task]}; this is for one that {DOES[wanted]}"
        raise TaskUnsupported(message, field=field)
