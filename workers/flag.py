"""A flag that a process and its children see."""

import mmap


class Flag:
    """One byte of memory that is shared by all who are forked after it was made."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def set(self) -> None:
        self._memory[0] = 1

    def __bool__(self) -> bool:
        return self._memory[0] == 1
