"""Where things lie when nobody says."""

import os
from pathlib import Path


def data_default() -> Path:
    """A folder of the user's own."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "convscope"


def artifacts_default() -> str:
    """The URL of a folder of the user's own, for a cluster on one machine."""
    return f"file://{data_default() / 'artifacts'}"
