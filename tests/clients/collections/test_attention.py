"""Where people looked: maps sent from a folder or by their names, read, and written into a folder again."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convscope.client import Annotation, BrokenFile, Collection, InvalidArgument, ServerFault, attention, sending
from convscope.client.annotations import AnnotationFiles, AnnotationInfo
from convscope.v1 import collection_service_pb2 as messages
from tests.clients.collections.calls import Calls, noise, of_type
from tests.clients.collections.stand_in import CollectionStandIn, plain_png
from tests.clients.job_stand_in import png

SLOPE = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def asked(photos: Collection) -> str:
    """A collection of six images with annotations q, q_1 and r."""
    photos.annotate([Annotation(id, number) for number, id in enumerate(("q", "q_1", "r"))])
    return photos.name


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    """Two people's maps of q, an only one's of r, and what is no map."""
    folder = tmp_path / "maps"
    (folder / "below.png").mkdir(parents=True)
    for number, name in enumerate(("q_2.png", "q_1_1.PNG", "q_10.png", "r.png", "notes.txt", "q_3.jpg")):
        (folder / name).write_bytes(plain_png(number))
    return folder


def sent(kept: CollectionStandIn) -> list[messages.NewAttentionMap]:
    """The maps of the last upload."""
    return [one.attention_map for one in kept.annotation_uploads[-1] if one.HasField("attention_map")]


def test_the_pngs_of_a_folder_go_as_they_are(calls: Calls, kept: CollectionStandIn, asked: str, maps: Path) -> None:
    (maps / "q_1_1.PNG").rename(maps / "q_1_1.png")
    for place in (maps, str(maps)):
        found = calls(asked, "upload_attention", place)
        names = ["q_10.png", "q_1_1.png", "q_2.png", "r.png"]
        expected = [messages.NewAttentionMap(file_name=name, content=(maps / name).read_bytes()) for name in names]
        assert sent(kept) == expected
        assert kept.annotation_uploads[-1][0] == messages.UploadAnnotationsRequest(collection=asked)
    assert (found.attention_maps, found.annotations, found.duplicates, found.broken_count) == (0, 0, 4, 0)
    assert [one.attention_map_count for one in calls(asked, "annotations")] == [2, 1, 1]


def test_pictures_go_by_their_names_as_grey_pngs(calls: Calls, kept: CollectionStandIn, asked: str) -> None:
    file = plain_png(3)
    found = calls(asked, "upload_attention", {"q_7.png": SLOPE, "q_8.png": file, "r.png": Image.fromarray(SLOPE > 0.5)})
    assert str(found) == "3 attention maps added"
    slope, given, bright = sent(kept)
    assert given == messages.NewAttentionMap(file_name="q_8.png", content=file)
    with Image.open(BytesIO(slope.content)) as picture:
        assert (picture.format, picture.mode, slope.file_name) == ("PNG", "L", "q_7.png")
        np.testing.assert_array_equal(np.asarray(picture), (SLOPE * 255).round())
    with Image.open(BytesIO(bright.content)) as picture:
        np.testing.assert_array_equal(np.asarray(picture) == 255, SLOPE > 0.5)


def test_maps_are_read_as_numbers_by_their_annotators(calls: Calls, asked: str) -> None:
    calls(asked, "upload_attention", {"q_7.png": SLOPE, "q_2.png": SLOPE[:2] > 0.5, "r.png": SLOPE})
    files = calls(asked, "annotation", "q")
    assert isinstance(files, AnnotationFiles)
    assert files.info == AnnotationInfo("q", 0, None, masked=False, attention_map_count=2)
    assert list(files.attention_maps) == [2, 7]
    assert {one.dtype.name for one in files.attention_maps.values()} == {"float32"}
    np.testing.assert_array_equal(files.attention_maps[2], SLOPE[:2] > 0.5)
    np.testing.assert_allclose(files.attention_maps[7], SLOPE, atol=0.5 / 255 + 1e-6)
    assert list(calls(asked, "annotation", "r").attention_maps) == [0]


def test_what_cannot_be_taken_is_told(calls: Calls, asked: str, maps: Path) -> None:
    (maps / "stranger_1.png").write_bytes(plain_png(0))
    (maps / "r.png").write_bytes(b"no picture")
    found = calls(asked, "upload_attention", maps)
    assert found.broken == (
        BrokenFile("q_1_1.PNG", "there is no annotation of that name"),
        BrokenFile("r.png", "10 bytes that are no JPEG, PNG or WebP picture"),
        BrokenFile("stranger_1.png", "there is no annotation of that name"),
    )
    assert str(found) == "2 attention maps added, 3 broken"


def test_progress_is_told_for_every_map(calls: Calls, asked: str, maps: Path) -> None:
    told: list[tuple[int, int]] = []
    calls(asked, "upload_attention", maps, on_progress=lambda *numbers: told.append(numbers))
    calls(asked, "upload_attention", {"r.png": SLOPE}, on_progress=lambda *numbers: told.append(numbers))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4), (1, 1)]


WRONG: dict[str, tuple[Any, str, str]] = {
    "no folder": ("missing", "maps", "the folder missing cannot be read: No such file or directory"),
    "a name that is none": ("no\0folder", "maps", "cannot be read"),
    "an empty folder": (Path(), "maps", r"there is no map, a PNG, in \."),
    "a list": ([SLOPE], "maps", "maps must be a folder, or pictures by the names of their files"),
    "a name that is a number": ({7: SLOPE}, "maps", "maps must be text, not 7"),
    "no picture": ({"q.png": "missing.png"}, "maps[q.png]", r"the picture missing\.png cannot be read"),
    "large numbers": ({"q.png": SLOPE * 2}, "maps[q.png]", "float of 0 to 1; it has 0 to 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_maps_are_named_before_anything_is_sent(
    calls: Calls, kept: CollectionStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    wrong, field, words = WRONG[case]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidArgument, match=words) as caught:
        calls(kept.add_collection(), "upload_attention", wrong)
    assert (caught.value.field, caught.value.status) == (field, "")
    assert kept.annotation_uploads == []


def test_a_file_that_goes_away_on_the_way_is_told_and_what_came_before_stays(
    photos: Collection, kept: CollectionStandIn, asked: str, maps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = attention._content

    def content(path: Path) -> bytes | None:
        if path.name == "r.png":
            path.unlink()
        return read(path)

    monkeypatch.setattr(attention, "_content", content)
    with pytest.raises(InvalidArgument, match=r"the picture .*r\.png cannot be read: No such file") as caught:
        photos.upload_attention(maps)
    assert caught.value.field == "maps"
    assert list(kept.kept[asked].annotations["q"].maps) == [10, 2]


def test_a_map_that_is_too_large_to_be_sent_harms_no_other(
    calls: Calls, asked: str, maps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sending, attention):
        monkeypatch.setattr(module, "LARGEST", 100_000)
    (maps / "r.png").write_bytes(noise(0))
    found = calls(asked, "upload_attention", maps)
    assert (found.attention_maps, found.broken_count) == (2, 2)
    assert found.broken[-1] == BrokenFile("r.png", "the attention map is larger than the 64 MiB that can be sent")


def test_what_is_downloaded_is_what_came_and_can_be_uploaded_again(
    calls: Calls, kept: CollectionStandIn, asked: str, maps: Path, tmp_path: Path
) -> None:
    (maps / "q_1_1.PNG").rename(maps / "q_1_1.png")
    calls(asked, "upload_attention", maps)
    kept.asked.clear()
    folder = tmp_path / "deep" / "again"
    paths = calls(asked, "download_attention", str(folder))
    assert paths == [folder / name for name in ("q_2.png", "q_10.png", "q_1_1.png", "r_0.png")]
    came = {path.name.replace("r.png", "r_0.png"): path.read_bytes() for path in maps.glob("*.png") if path.is_file()}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == came
    assert [one.id for one in of_type(kept, messages.GetAnnotationRequest)] == ["q", "q_1", "r"]
    assert str(calls(asked, "upload_attention", folder)) == "nothing added, 4 there already"


def test_without_maps_nothing_is_fetched_and_no_folder_made(
    calls: Calls, kept: CollectionStandIn, asked: str, tmp_path: Path
) -> None:
    assert calls(asked, "download_attention", tmp_path / "maps") == []
    assert list(tmp_path.iterdir()) == []
    assert of_type(kept, messages.GetAnnotationRequest) == []


@pytest.mark.parametrize("id", ["../q", "a/b", "/q"])
def test_an_id_never_leads_out_of_the_folder(tmp_path: Path, id: str) -> None:
    files = AnnotationFiles(AnnotationInfo(id, 0, None, False, 1), b"", {1: png(Image.new("L", (2, 2)))})
    with pytest.raises(ServerFault, match="is no name of an annotation"):
        files.save_attention(tmp_path / "maps")
    assert list(tmp_path.iterdir()) == []


def test_a_map_that_is_none_is_a_fault_of_the_server(photos: Collection, kept: CollectionStandIn, asked: str) -> None:
    photos.upload_attention({"q_4.png": SLOPE})
    kept.kept[asked].annotations["q"].maps[4] = b"damaged"
    with pytest.raises(ServerFault, match="the attention map 4 of q cannot be decoded"):
        _ = photos.annotation("q").attention_maps
