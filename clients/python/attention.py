"""Where people looked: attention maps on their way into a collection."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from convscope.client.annotation_stream import AnnotationStream
from convscope.client.arguments import check_text
from convscope.client.bulk import LARGEST
from convscope.client.errors import InvalidArgument
from convscope.client.grey import Grey, to_grey_file
from convscope.client.images import unreadable
from convscope.client.sending import sent_name
from convscope.v1.collection_service_pb2 import NewAttentionMap, UploadAnnotationsRequest

SUFFIX = ".png"
WANTED = "a folder, or pictures by the names of their files"


class AttentionUpload(AnnotationStream):
    """Attention maps for a collection."""

    THING = "attention map"

    def __init__(self, collection: str, maps: str | Path | Mapping[str, Grey]) -> None:
        """collection: collections/{collection}. maps: files of a folder are read as they are sent, pictures at once.

        Raises InvalidArgument (field `maps`) for a folder without any, and on the way for a file that cannot be read.
        """
        self._maps: Iterable[tuple[str, bytes | None]]
        if isinstance(maps, str | Path):
            paths = _paths(Path(maps))
            self._maps = ((sent_name(path), _content(path)) for path in paths)
            super().__init__(collection, len(paths))
        elif isinstance(maps, Mapping):
            self._maps = [
                (check_text("maps", name, "OUT_OF_RANGE"), to_grey_file(picture, field=f"maps[{name}]"))
                for name, picture in maps.items()
            ]
            super().__init__(collection, len(maps))
        else:
            raise InvalidArgument(f"maps must be {WANTED}, not {maps!r}", field="maps", reason="OUT_OF_RANGE")

    def _messages(self) -> Iterator[tuple[str, UploadAnnotationsRequest | None]]:
        for name, content in self._maps:
            new = None if content is None else NewAttentionMap(file_name=name, content=content)
            yield name, None if new is None else UploadAnnotationsRequest(attention_map=new)


def _paths(folder: Path) -> list[Path]:
    """The PNG files in it, by their names."""
    try:
        place = folder.expanduser()
        found = sorted(one for one in place.iterdir() if one.suffix.lower() == SUFFIX and one.is_file())
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or error
        message = f"the folder {folder} cannot be read: {why}"
        raise InvalidArgument(message, field="maps", reason="NO_FOLDER") from error
    if not found:
        raise InvalidArgument(f"there is no map, a PNG, in {folder}", field="maps", reason="FOLDER_EMPTY")
    return found


def _content(path: Path) -> bytes | None:
    """None where there are too many to be sent."""
    try:
        return None if path.stat().st_size > LARGEST else path.read_bytes()
    except OSError as error:
        raise unreadable(path, error, field="maps") from error
