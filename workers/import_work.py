"""Images under a URL into a collection, as a job."""

import hashlib
import json
import os
import posixpath
import zipfile
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from convscope.engine.errors import InvalidInput
from convscope.services.common.collections.annotating import Annotating, AnnotationsTaken, to_json
from convscope.services.common.collections.records import CollectionRecords
from convscope.services.common.collections.sources import check_source
from convscope.services.common.collections.taking import Taken, Taking
from convscope.services.common.errors import CollectionNotFound
from convscope.services.common.jobs.job import File, Progress
from convscope.workers.import_source import Refused, Source
from convscope.workers.made_shapes import MadeShapes
from convscope.workers.work import Bench, Keep, Work

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".webp")
# One file; a larger one is told as broken, and of a zip no more of it is unpacked.
MOST_BYTES = 64 * 1024 * 1024
TOO_LARGE = f"the file is larger than {MOST_BYTES // 1024 // 1024} MiB"


class Folder(Source):
    """Files in a folder, and in those below it."""

    def __init__(self, files: Any, root: str) -> None:
        self._files = files
        self._root = root
        found = files.find(root) if files.isdir(root) else [root]
        names = (posixpath.relpath(path, root) if path != root else posixpath.basename(path) for path in found)
        self._paths = {name: path for name, path in zip(names, found, strict=True) if name.lower().endswith(SUFFIXES)}
        self.names = sorted(self._paths)

    def read(self, name: str) -> bytes:
        path = self._paths[name]
        if isinstance(self._files, LocalFileSystem) and not self._below(path):
            raise Refused("the file is a link to somewhere else")
        with self._files.open(path, "rb") as file:
            data: bytes = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise Refused(TOO_LARGE)
        return data

    def _below(self, path: str) -> bool:
        root = os.path.realpath(self._root)
        return os.path.commonpath([os.path.realpath(path), root]) == root


class Archive(Source):
    """Files in a zip. Nothing is ever written under their names."""

    def __init__(self, files: Any, path: str) -> None:
        """Raises InvalidInput for what is no zip."""
        try:
            self._zip = zipfile.ZipFile(files.open(path, "rb"))
        except (zipfile.BadZipFile, ValueError) as error:
            raise InvalidInput(f"the file is no zip: {error}", field="url", reason="ZIP_INVALID") from error
        members = (one for one in self._zip.infolist() if not one.is_dir())
        self._members = {one.filename: one for one in members if one.filename.lower().endswith(SUFFIXES)}
        self.names = sorted(self._members)

    def read(self, name: str) -> bytes:
        member = self._members[name]
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise Refused("its name leads out of the zip")
        if member.file_size > MOST_BYTES:
            raise Refused(TOO_LARGE)
        try:
            with self._zip.open(member) as file:
                data = file.read(MOST_BYTES + 1)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
            raise Refused(f"it cannot be unpacked: {error}") from error
        except Exception as error:  # zlib and lzma raise errors of their own
            if isinstance(error, OSError):
                raise
            raise Refused(f"it cannot be unpacked: {error}") from error
        if len(data) > MOST_BYTES:
            raise Refused(TOO_LARGE)
        return data


def open_source(url: str) -> Source:
    """Raises InvalidInput where nothing is there, or no zip; OSError where the source is away."""
    files, path = fsspec.core.url_to_fs(url)
    if not files.exists(path):
        raise InvalidInput(f"there is nothing at {url}", field="url", reason="URL_EMPTY")
    if path.lower().endswith(".zip") and not files.isdir(path):
        return Archive(files, path)
    return Folder(files, path)


def _source(spec: dict[str, Any], bench: Bench) -> Source:
    if "shapes" in spec:
        return MadeShapes(**spec["shapes"])
    return open_source(check_source(spec["url"], bench.import_roots))


class ImportWork(Work):
    """A file a step. Files and annotations are taken once however often they come, so that nothing is lost by beginning
    again."""

    def __init__(self, bench: Bench) -> None:
        """Raises SourceForbidden, InvalidInput, CollectionNotFound, OSError."""
        spec = bench.lease.spec
        self._id: str = spec["collection"]
        self._records = records = CollectionRecords(bench.store)
        self._source = _source(spec, bench)
        if records.find(self._id) is None:
            raise CollectionNotFound(self._id)
        self._at, taken = 0, Taken()
        checkpoint = bench.checkpoint()
        if checkpoint is not None:
            state = json.loads(checkpoint)
            # The folder may have changed meanwhile.
            self._at = sum(name <= state["last"] for name in self._source.names)
            taken = Taken(state["added"], state["duplicates"], state["broken"])
        self._taking = Taking(self._id, records, bench.artifacts, max_pixels=bench.max_pixels, taken=taken)
        self._annotating = Annotating(
            self._id, records, bench.artifacts, max_pixels=bench.max_pixels, taken=AnnotationsTaken()
        )

    @property
    def over(self) -> bool:
        return self._at == len(self._source.names)

    def advance(self) -> None:
        name = self._source.names[self._at]
        try:
            data = self._source.read(name)
            self._taking.take(name, data)
            if isinstance(self._source, MadeShapes):
                self._annotate(self._source, name, data)
        except Refused as refused:
            self._taking.refuse(name, str(refused))
        except FileNotFoundError:
            self._taking.refuse(name, "the file is gone")
        self._at += 1

    def _annotate(self, shapes: MadeShapes, name: str, data: bytes) -> None:
        number = self._records.number_of(self._id, hashlib.sha256(data).hexdigest())
        assert number is not None
        for one in shapes.annotations(name):
            self._annotating.take(one.id, number, to_json(one.target), one.mask)

    def progress(self) -> Progress:
        return Progress(self._at, len(self._source.names), 0.0, ())

    def checkpoint(self) -> bytes:
        taken = self._taking.taken
        last = self._source.names[self._at - 1] if self._at else ""
        state = {"last": last, "added": taken.added, "duplicates": taken.duplicates, "broken": taken.broken_count}
        return json.dumps(state).encode()

    def leave(self, keep: Keep) -> tuple[dict[str, Any], list[File]]:
        taken = self._taking.taken
        return {
            "collection": self._id,
            "added": taken.added,
            "duplicates": taken.duplicates,
            "broken": taken.broken_count,
        }, []
