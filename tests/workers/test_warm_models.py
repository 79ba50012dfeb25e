"""A child keeps the models it used last, as many as their memory holds."""

from pathlib import Path

import pytest

from convscope.engine.errors import UnknownModel
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.model import Model
from convscope.workers.warm_models import WarmModels
from tests.workers.jobs_cluster import ENTRY, TEAM

NAMES = ("small", "slow", "hungry")


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    monkeypatch.syspath_prepend(TEAM)
    file = tmp_path / "catalogue.toml"
    file.write_text("".join(ENTRY.format(name=name) for name in NAMES))
    return Catalogue.read(file)


def weight(catalogue: Catalogue) -> int:
    """Bytes of one of them; they are equally large."""
    return sum(parameter.numel() * 4 for parameter in catalogue.load("small").module.parameters())


def test_the_one_used_longest_ago_goes(catalogue: Catalogue) -> None:
    loaded: list[Model] = []
    models = WarmModels(catalogue, "cpu", 2 * weight(catalogue), loaded.append)
    small = models.get("small")
    models.get("slow")
    assert models.get("small") is small, "warm"
    models.get("hungry")
    assert models.names == ["small", "hungry"]
    assert models.get("small") is small
    models.get("slow")
    assert models.names == ["small", "slow"]
    assert [model.name for model in loaded] == ["small", "slow", "hungry", "slow"]


def test_the_one_in_work_is_kept_however_large(catalogue: Catalogue) -> None:
    models = WarmModels(catalogue, "cpu", 0, lambda model: None)
    assert models.get("small") is models.get("small")
    models.get("slow")
    assert models.names == ["slow"]


def test_an_unknown_one_costs_none_its_place(catalogue: Catalogue) -> None:
    models = WarmModels(catalogue, "cpu", 0, lambda model: None)
    models.get("small")
    with pytest.raises(UnknownModel, match="nearest: small"):
        models.get("smal")
    assert models.names == ["small"]
