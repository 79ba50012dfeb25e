"""The files of jobs: a folder, or a bucket that every process of a cluster reaches."""

import hashlib
import posixpath
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from convscope.services.common.jobs.job import File

CHUNK = 256 * 1024


class Artifacts:
    """Files under an fsspec URL, one folder a job. Every method raises OSError where the store refuses or is away.

    A file is there whole or not at all: a local one is written beside its place and moved there, an object store's
    appears when its upload is done.
    """

    def __init__(self, url: str) -> None:
        """url: file:///folder, or s3://bucket/folder and the like, whose fsspec package must be installed."""
        self._files, self._root = fsspec.core.url_to_fs(url)

    def put(self, path: str, data: bytes) -> None:
        """Write a file; `path` is relative to the store."""
        place = self._place(path)
        if not isinstance(self._files, LocalFileSystem):
            self._files.pipe_file(place, data)
            return
        self._files.makedirs(posixpath.dirname(place), exist_ok=True)
        draft = f"{place}.{uuid.uuid4().hex}.draft"
        try:
            self._files.pipe_file(draft, data)
            self._files.mv(draft, place)
        except BaseException:
            if self._files.exists(draft):
                self._files.rm(draft)
            raise

    def keep(self, path: str, media_type: str, data: bytes) -> File:
        """Write a file that a job leaves, and describe it."""
        self.put(path, data)
        return File(posixpath.basename(path), media_type, len(data), hashlib.sha256(data).hexdigest(), path)

    def get(self, path: str) -> bytes:
        """A whole file. Raises FileNotFoundError."""
        return bytes(self._files.cat_file(self._place(path)))

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        return bool(self._files.exists(self._place(path)))

    def put_folder(self, path: str, folder: Path) -> None:
        """Write the files of a local folder; one that is there already is replaced. They come one after the other: who
        reads them must have been told of the folder afterwards."""
        self.remove(path)
        self._files.makedirs(self._place(path), exist_ok=True)
        for file in sorted(folder.iterdir()):
            self._files.put_file(str(file), self._place(f"{path}/{file.name}"))

    def fetch_folder(self, path: str, scratch: Path, names: Sequence[str] = ()) -> Path:
        """A folder's files as local ones: where they lie, or copies in `scratch`. names: of the files; none: all.
        Raises FileNotFoundError."""
        if isinstance(self._files, LocalFileSystem):
            return Path(self._place(path))
        scratch.mkdir(parents=True, exist_ok=True)
        named = [self._place(f"{path}/{name}") for name in names]
        for place in named or self._files.ls(self._place(path), detail=False):
            self._files.get_file(place, str(scratch / posixpath.basename(place)))
        return scratch

    def chunks(self, path: str, offset: int) -> Iterator[tuple[int, bytes]]:
        """A file from a byte on, piece by piece, each with where it begins. Raises FileNotFoundError."""
        with self._files.open(self._place(path), "rb") as file:
            file.seek(offset)
            while data := file.read(CHUNK):
                yield offset, bytes(data)
                offset += len(data)

    def remove(self, path: str) -> None:
        """Remove a file or a folder with all that is in it; nothing happens where there is none."""
        place = self._place(path)
        if self._files.exists(place):
            # Somebody else may remove it at the same time.
            with suppress(FileNotFoundError):
                self._files.rm(place, recursive=True)

    def _place(self, path: str) -> str:
        return posixpath.join(self._root, path)


def folder_of(id: str) -> str:
    """Where all files of a job lie."""
    return f"jobs/{id}"
