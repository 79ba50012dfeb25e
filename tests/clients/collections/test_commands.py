"""Collections on the command line."""

import json
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.client import Client
from convscope.v1 import collection_service_pb2 as messages
from convscope.v1.inspection_service_pb2 import (
    NEIGHBOR_METRIC_COSINE,
    NEIGHBOR_METRIC_L2,
    FindNeighborsRequest,
    FindPatchesRequest,
)
from tests.clients.collections.stand_in import (
    PAGE_HTML,
    CollectionServer,
    CollectionStandIn,
    Hold,
    plain,
    plain_png,
)
from tests.clients.terminal import SECONDS, Run, Terminal, assert_one_sentence, output
from tests.processes import free_port, wait_until

MODEL = "resnet18_seeded"


@pytest.fixture
def photos(kept: CollectionStandIn) -> str:
    """Six images and an index with patches of layer3; the name without collections/."""
    name = kept.add_collection("holiday photos", images=6)
    kept.add_index(name, MODEL, "layer3")
    return name.removeprefix("collections/")


@pytest.fixture
def folder(tmp_path: Path, cat_path: Path) -> Path:
    """A photograph, and a folder of two pictures and a file that is none."""
    shutil.copy(cat_path, tmp_path / "cat.png")
    (tmp_path / "some").mkdir()
    for number in range(2):
        (tmp_path / "some" / f"{number}.png").write_bytes(plain_png(100 + number))
    (tmp_path / "some" / "broken.jpg").write_bytes(b"no picture")
    return tmp_path


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_create_prints_the_name_by_which_others_find_it(convscope: Run, kept: CollectionStandIn) -> None:
    name = output(convscope("collection", "create", "holiday photos")).strip()
    assert list(kept.kept) == [name]
    assert output(convscope("collection", "show", name)) == f"{name}: holiday photos, 0 images\n0.0 MB\n"


def test_list_shows_the_newest_first(convscope: Run, kept: CollectionStandIn) -> None:
    names = [kept.add_collection(f"[photos] {number}", images=number) for number in range(5)]
    kept.add_index(names[3], MODEL)
    header, *lines = output(convscope("collection", "list")).splitlines()
    assert header.split() == ["collection", "images", "size", "created", "called", "models"]
    assert [line.split()[:2] for line in lines] == [[names[n], str(n)] for n in range(4, -1, -1)]
    assert "[photos] 4" in lines[0]
    assert MODEL in lines[1]
    found = json.loads(output(convscope("collection", "list", "--json")))
    assert [(one["name"], one["image_count"]) for one in found] == [(names[n], n) for n in range(4, -1, -1)]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*\+00:00$", found[0]["created"])
    assert found[1]["indexes"][0]["model"] == MODEL


def test_show_tells_what_is_known(convscope: Run, kept: CollectionStandIn, photos: str) -> None:
    record = kept.kept[f"collections/{photos}"].record
    record.size_bytes, record.duplicate_count, record.broken_count = 12_340_000, 1, 2
    record.broken_files.add(name="a.jpg", message="no picture")
    record.jobs.append("jobs/7")
    assert output(convscope("collection", "show", photos)).splitlines() == [
        f"collections/{photos}: holiday photos, 6 images",
        "12.3 MB, 1 file came again, 2 files broken",
        f"index {record.indexes[0].id} of {MODEL}: 6 images, 8 numbers each, patches of layer3",
        "jobs/7 works on it",
        "broken: a.jpg: no picture",
    ]
    found = json.loads(output(convscope("collection", "show", f"collections/{photos}", "--json")))
    assert (found["broken"], found["jobs"]) == ([{"name": "a.jpg", "message": "no picture"}], ["jobs/7"])


def test_upload_takes_files_and_folders_and_names_what_is_broken(convscope: Run, kept: CollectionStandIn) -> None:
    name = kept.add_collection()
    result = convscope("collection", "upload", name, "cat.png", "some")
    assert output(result) == f"{name}: 3 images added, 1 broken\n"
    assert result.stderr == "broken.jpg: 10 bytes that are no JPEG, PNG or WebP picture\n"
    assert [request.file_name for request in kept.uploads[0]] == ["cat.png", "0.png", "1.png", "broken.jpg"]
    again = output(convscope("collection", "upload", name.removeprefix("collections/"), "some"))
    assert again == f"{name}: 0 images added, 2 there already, 1 broken\n"


def test_a_terminal_shows_how_far_an_upload_is(server: CollectionServer, kept: CollectionStandIn, folder: Path) -> None:
    kept.at_file = lambda number, context: time.sleep(0.15)
    for number in range(10):
        # Larger than what the network takes without the server.
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (600, 600, 3), np.uint8)).save(
            folder / "some" / f"{number}.png"
        )
    name = kept.add_collection()
    status, out = (terminal := Terminal(server.address, folder, "collection", "upload", name, "some")).end()
    assert (status, out) == (0, f"{name}: 10 images added, 1 broken\n")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.written)
    assert re.search(r"uploading .* \d+/11 +[\d.]+ files/s", shown), shown
    assert "broken.jpg: 10 bytes" in shown


def test_ctrl_c_ends_an_upload_and_what_was_taken_stays(
    server: CollectionServer, kept: CollectionStandIn, folder: Path
) -> None:
    hold = kept.at_file = Hold(at=2)
    name = kept.add_collection()
    terminal = Terminal(server.address, folder, "collection", "upload", name, "some")
    terminal.read_until("uploading")
    assert hold.reached.wait(SECONDS)
    terminal.process.send_signal(signal.SIGINT)
    status, out = terminal.end()
    assert (status, out) == (130, "")
    assert "what was taken stays; the same command adds the rest" in " ".join(terminal.written.split())
    assert "Traceback" not in terminal.written
    wait_until(lambda: kept.upload_ends, "the server knows of it")
    assert kept.upload_ends == ["gone"]
    assert kept.kept[name].images[0][0].file_name == "0.png"


def test_import_tells_how_many_came(convscope: Run, kept: CollectionStandIn, photos: str) -> None:
    line = output(convscope("collection", "import", photos, "file:///data/photos", "--priority", "7"))
    assert line == "jobs/0001: 5 images added, 2 there already, 1 broken\n"
    (request,) = kept.requests
    assert (request.collection, request.url, request.options.priority) == (
        f"collections/{photos}",
        "file:///data/photos",
        7,
    )


def test_index_passes_on_all_options(convscope: Run, kept: CollectionStandIn, photos: str) -> None:
    options = "-m another --layer layer3 --layer fc --embedding-layer layer2 --patches-per-channel 5 --priority 0"
    line = output(convscope("collection", "index", photos, *options.split()))
    assert line == "jobs/0001: another: 6 images, 8 numbers each, patches of layer3, fc; 6 images run now\n"
    (request,) = kept.requests
    assert (request.model, list(request.layers), request.embedding_layer) == (
        "models/another",
        ["layer3", "fc"],
        "layer2",
    )
    assert (request.patches_per_channel, request.options.priority) == (5, 0)
    assert output(convscope("collection", "index", photos)).startswith("jobs/0002: efficientnet_lite0: 6 images")


def test_a_terminal_shows_how_far_an_index_is(
    server: CollectionServer, kept: CollectionStandIn, folder: Path, photos: str
) -> None:
    kept.work = lambda name: kept.run(name, steps=20, pause=0.05)
    terminal = Terminal(server.address, folder, "collection", "index", photos, "-m", MODEL)
    status, out = terminal.end()
    assert (status, out) == (0, f"jobs/0001: {MODEL}: 6 images, 8 numbers each; 6 images run now\n")
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.written)
    assert re.search(r"running .* \d+/20 +[\d.]+ images/s", shown), shown
    assert "loss" not in shown, "nothing is descended"


def test_map_writes_a_folder(convscope: Run, kept: CollectionStandIn, folder: Path, photos: str) -> None:
    assert output(convscope("collection", "map", photos)) == "jobs/0001: a map of 6 images -> holiday_photos.map\n"
    assert files_of(folder / "holiday_photos.map") == ["coordinates.npy", "map.html", "map.png"]
    assert (folder / "holiday_photos.map" / "map.html").read_bytes() == PAGE_HTML
    assert np.load(folder / "holiday_photos.map" / "coordinates.npy").shape == (6, 2)
    index = kept.kept[f"collections/{photos}"].record.indexes[0].id
    options = "--method tsne --perplexity 1.5 --metric cosine --seed 3 --onto jobs/0001 --priority 2 -o deep/map.v1"
    line = output(convscope("collection", "map", photos, "--index", index, *options.split()))
    assert line == "jobs/0002: a map of 6 images -> deep/map.v1\n"
    assert files_of(folder / "deep" / "map.v1") == ["coordinates.npy", "map.html", "map.png"]
    request = kept.requests[1]
    assert (request.index, request.method, request.perplexity) == (index, messages.PROJECTION_METHOD_TSNE, 1.5)
    assert (request.metric, request.seed, request.onto) == ("cosine", 3, "jobs/0001")
    assert request.options.priority == 2


def test_detached_work_is_followed_and_read_by_its_name(
    convscope: Run, kept: CollectionStandIn, folder: Path, photos: str
) -> None:
    kept.work = None
    commands = (("import", photos, "file:///data/photos"), ("index", photos, "-m", MODEL), ("map", photos))
    for number, command in enumerate(commands, 1):
        assert output(convscope("collection", *command, "--detach")) == f"jobs/000{number}\n"
        kept.run(f"jobs/000{number}")
        line = output(convscope("jobs", "watch", f"000{number}"))
        assert line == f"jobs/000{number} is succeeded, 4 of 4 steps\n"
    lines = [output(convscope("jobs", "result", f"000{number}")) for number in (1, 2, 3)]
    assert lines == [
        "jobs/0001: 5 images added, 2 there already, 1 broken\n",
        f"jobs/0002: {MODEL}: 6 images, 8 numbers each; 6 images run now\n",
        "jobs/0003: a map of 6 images -> 0003.map\n",
    ]
    assert output(convscope("jobs", "result", "0003", "-o", "map")).endswith("-> map\n")
    assert files_of(folder / "map") == files_of(folder / "0003.map") == ["coordinates.npy", "map.html", "map.png"]
    assert "import_images" in output(convscope("jobs", "list", "--kind", "import_images"))


def test_work_that_fails_is_one_sentence(convscope: Run, kept: CollectionStandIn, photos: str) -> None:
    kept.work = kept.fail
    assert assert_one_sentence(convscope("collection", "index", photos)) == "no memory is left"
    result = convscope("jobs", "watch", "0001")
    assert (result.returncode, result.stderr) == (1, "error: no memory is left\n")


def test_patches_are_drawn_and_listed(
    convscope: Run, server: CollectionServer, kept: CollectionStandIn, folder: Path, photos: str
) -> None:
    lines = output(convscope("collection", "patches", photos, "--layer", "layer3", "--channel", "7", "-k", "4"))
    assert lines.splitlines() == [
        *(f"image-{number}.png at {number},2: {10.5 - number:g}" for number in range(4)),
        f"layer3 channel 7 of {MODEL}: 4 of 6 images -> layer3.7.patches.png",
    ]
    with Client.connect(server.address) as client, Image.open(folder / "layer3.7.patches.png") as sheet:
        assert sheet.tobytes() == client.collection(photos).find_patches("layer3", 7, k=4).grid().tobytes()
    options = ("--layer", "layer3", "--channel", "0", "-m", MODEL, "--several-per-image", "--json")
    found = json.loads(output(convscope("collection", "patches", photos, *options)))
    assert (len(found), found[1]["file_name"], found[1]["region"]) == (6, "image-1.png", [1.5, 2, 30, 40])
    request = [one for one in kept.asked if isinstance(one, FindPatchesRequest)][-1]
    assert (request.several_per_image, request.crops, request.HasField("k")) == (True, False, False)
    assert files_of(folder) == ["cat.png", "layer3.7.patches.png", "some"]
    json.loads(output(convscope("collection", "patches", photos, *options, "-o", "a.jpg")))
    assert (folder / "a.jpg").exists()


def test_neighbors_are_drawn_and_listed_beside_the_photograph(
    convscope: Run, server: CollectionServer, kept: CollectionStandIn, folder: Path, photos: str
) -> None:
    lines = output(convscope("collection", "neighbors", photos, "cat.png", "-k", "2", "--metric", "cosine"))
    assert lines.splitlines() == [
        *(
            f"{space}: image-{number}.png: {0.25 * number:g}, tabby 50.0%"
            for space in ("features", "pixels")
            for number in (0, 1)
        ),
        "-> cat.neighbors.png",
    ]
    by_features, by_pixels = [one for one in kept.asked if isinstance(one, FindNeighborsRequest)]
    assert (by_features.metric, by_pixels.metric) == (NEIGHBOR_METRIC_COSINE, NEIGHBOR_METRIC_L2)
    assert by_features.image.encoded == (folder / "cat.png").read_bytes()
    with Client.connect(server.address) as client, Image.open(folder / "cat.neighbors.png") as sheet:
        expected = client.collection(photos).compare_neighbors(folder / "cat.png", k=2, metric="cosine").sheet()
        assert sheet.tobytes() == expected.tobytes()


def test_neighbors_of_an_image_go_by_its_number(
    convscope: Run, kept: CollectionStandIn, folder: Path, photos: str
) -> None:
    options = ("--embedding-layer", "layer2", "-m", MODEL, "--json")
    found = json.loads(output(convscope("collection", "neighbors", photos, "3", *options)))
    assert [one["number"] for one in found["features"]] == [0, 1, 2, 4, 5]
    assert found["pixels"][0]["prediction"] == {"index": 281, "label": "tabby", "probability": 0.5}
    request = next(one for one in kept.asked if isinstance(one, FindNeighborsRequest))
    assert (request.number, request.embedding_layer, request.model) == (3, "layer2", f"models/{MODEL}")
    assert files_of(folder) == ["cat.png", "some"]
    assert output(convscope("collection", "neighbors", photos, "3")).endswith("-> 3.neighbors.png\n")
    # A picture of that name goes before.
    plain(1).save(folder / "4.png")
    (folder / "4.png").rename(folder / "4")
    output(convscope("collection", "neighbors", photos, "4"))
    assert [one for one in kept.asked if isinstance(one, FindNeighborsRequest)][-1].WhichOneof("query") == "image"


def test_delete_deletes(convscope: Run, kept: CollectionStandIn, photos: str) -> None:
    assert output(convscope("collection", "delete", photos)) == f"collections/{photos} is deleted\n"
    assert kept.kept == {}
    assert "there is no collections/nobody" in assert_one_sentence(convscope("collection", "delete", "nobody"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "nobody"), "there is no collections/nobody"),
        (("upload", "nobody", "cat.png"), "there is no collections/nobody"),
        (("upload", "0001", "some", "missing.jpg"), "pictures: the picture missing.jpg cannot be read: No such file"),
        (("import", "0001", "file:///etc"), "file:///etc is outside of what may be imported"),
        (("index", "0001", "--patches-per-channel", "99999999999"), "patches_per_channel 99999999999 is out of range"),
        (("map", "0001", "-o", "cat.png"), "cat.png is no folder"),
        (("map", "0001", "--method", "umap"), "method must be one of tsne, pca, not 'umap'"),
        (("patches", "0001", "--layer", "conv1", "--channel", "7"), "has the layer 'conv1'"),
        (("patches", "0001", "--layer", "fc", "--channel", "7", "-o", "a.npy"), "a.npy must be the name of a picture"),
        (("patches", "0001", "--layer", "fc", "--channel", "7", "-o", "no/a.png"), "there is no folder no"),
        (("neighbors", "0001", "missing.jpg"), "missing.jpg cannot be read"),
        (("neighbors", "0001", "cat.png", "--metric", "l1"), "metric must be one of l2, cosine, inner_product"),
        (("neighbors", "0001", "cat.png", "-o", "a.doc"), "a.doc must end in one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.usefixtures("photos")
def test_an_error_is_one_sentence(
    convscope: Run, kept: CollectionStandIn, folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    before = files_of(folder)
    assert words in assert_one_sentence(convscope("collection", *arguments))
    assert files_of(folder) == before, "nothing is left behind"
    assert (kept.records, kept.uploads) == ({}, []), "nothing was begun"


def test_several_models_need_a_name(convscope: Run, kept: CollectionStandIn, photos: str) -> None:
    kept.add_index(f"collections/{photos}", "another", "layer3")
    words = assert_one_sentence(convscope("collection", "neighbors", photos, "3"))
    assert words == f"model: a model must be named: collections/{photos} has indexes of another, {MODEL}"


def test_no_server_is_told_at_once(convscope: Run) -> None:
    result = convscope("collection", "list", "--server", f"127.0.0.1:{free_port()}")
    assert "start one with `convscope up`" in assert_one_sentence(result)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create",), "name"),
        (("upload", "0001"), "paths"),
        (("import", "0001"), "url"),
        (("patches", "0001", "--channel", "7"), "--layer"),
        (("patches", "0001", "--layer", "fc"), "--channel"),
        (("patches", "0001", "--layer", "fc", "--channel", "-1"), "--channel"),
        (("neighbors", "0001"), "photo"),
        (("neighbors", "0001", "cat.png", "-k", "0"), "-k"),
        (("map", "0001", "--perplexity", "much"), "--perplexity"),
        (("rename", "0001"), "rename"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_line_is_refused_before_any_call(
    convscope: Run, arguments: tuple[str, ...], words: str
) -> None:
    result = convscope("collection", *arguments, CONVSCOPE_SERVER=f"127.0.0.1:{free_port()}")
    assert (result.returncode, result.stdout) == (2, "")
    assert words.casefold() in result.stderr.casefold()
    assert "Traceback" not in result.stderr
