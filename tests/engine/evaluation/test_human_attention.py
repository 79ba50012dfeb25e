"""Maps of human attention as VQA-HAT's files are named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.engine.errors import InvalidInput
from convscope.engine.evaluation.human_attention import read_attention


def write(folder: Path, name: str, level: int) -> None:
    Image.new("L", (6, 4), level).save(folder / name)


def test_every_question_has_its_annotators_in_order(tmp_path: Path) -> None:
    for name, level in (("1500070_2.png", 102), ("1500070_1.png", 51), ("1500070_10.png", 255), ("2000010.PNG", 0)):
        write(tmp_path, name, level)
    (tmp_path / "readme.txt").write_text("not a map")
    found = read_attention(tmp_path)
    assert set(found) == {"1500070", "2000010"}
    maps = found["1500070"].maps()
    assert [one.shape for one in maps] == [(4, 6)] * 3
    np.testing.assert_allclose([one.mean() for one in maps], [0.2, 0.4, 1.0], atol=1e-6)
    assert len(found["2000010"].maps()) == 1


def test_any_folder_of_maps_will_do(tmp_path: Path) -> None:
    write(tmp_path, "a_dog_on_grass.png", 9)
    assert set(read_attention(tmp_path)) == {"a_dog_on_grass"}


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    for folder, reason in ((tmp_path / "nowhere", "NO_FOLDER"), (tmp_path, "FOLDER_EMPTY")):
        with pytest.raises(InvalidInput) as caught:
            read_attention(folder)
        assert (caught.value.field, caught.value.reason) == ("folder", reason)


def test_a_broken_map_is_named(tmp_path: Path) -> None:
    write(tmp_path, "1_1.png", 9)
    data = (tmp_path / "1_1.png").read_bytes()
    (tmp_path / "1_2.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(InvalidInput, match=r"1_2\.png"):
        read_attention(tmp_path)["1"].maps()
