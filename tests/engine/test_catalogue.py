"""The catalogue finds and loads networks, and names what is wrong with an entry."""

import hashlib
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from convscope.engine.errors import CatalogueError, InvalidInput, ModelUnloadable, UnknownModel, UnknownName
from convscope.engine.models.catalogue import Catalogue
from convscope.engine.models.entry import Entry
from convscope.engine.models.labels import Labels, imagenet_labels
from convscope.engine.models.model import Model
from convscope.engine.models.preprocessing import Preprocessing
from convscope.engine.models.sources.efficientnet_lite import published_weights
from convscope.engine.models.weights import weights_digest

SMALL: dict[str, Any] = {"source": "torchvision", "network": "squeezenet1_1", "arguments": {"num_classes": 10}}

TEAM = """
import torch
from torch import nn


class Net(nn.Sequential):
    def __init__(self, classes=4, width=5):
        super().__init__(
            nn.Conv2d(3, width, 3, stride=4),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, classes),
        )


def build(classes=4):
    return Net(classes)


def raising():
    raise ValueError("no such backbone")


def nothing():
    return "a network"


class Raises(Net):
    def forward(self, images):
        raise IndexError("list index out of range")


class Maps(Net):
    def forward(self, images):
        return self[0](images)


class Pair(Net):
    def forward(self, images):
        return super().forward(images), images


class Single(Net):
    def forward(self, images):
        return super().forward(images)[:, 0]


CONSTANT = 3
"""


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A team's package with factories; its name."""
    name = f"team_{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / name / "networks.py").write_text(TEAM)
    (tmp_path / name / "broken.py").write_text("import a_package_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield f"{name}.networks"
    for loaded in [module for module in sys.modules if module.split(".")[0] == name]:
        del sys.modules[loaded]


def load(tmp_path: Path = Path(), **fields: Any) -> Model:
    entry = Entry.model_validate({"name": "net", "folder": tmp_path, **fields})
    return Catalogue({"net": entry}).load("net")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def scores(module: nn.Module, size: int = 64) -> Tensor:
    with torch.no_grad():
        found: Tensor = module(torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(9)))
    return found


def test_the_built_in_catalogue_reads() -> None:
    catalogue = Catalogue.read()
    assert list(catalogue) == sorted(catalogue)
    assert {"alexnet", "vgg16", "resnet18", "resnet50", "resnet101", "densenet121", "efficientnet_lite0"} <= set(
        catalogue
    )
    assert "resnet50" in catalogue
    assert "resnet" not in catalogue
    assert all(entry.describe() for entry in catalogue.values())


def test_a_catalogue_of_ones_own_adds_to_the_built_in_one_where_it_asks(tmp_path: Path) -> None:
    table = '[[models]]\nname = "mine"\nsource = "torchvision"\nnetwork = "resnet18"\n'
    assert list(Catalogue.read(write(tmp_path / "own.toml", table))) == ["mine"]
    both = Catalogue.read(write(tmp_path / "both.toml", "include_built_in = true\n" + table))
    assert set(both) == {"mine", *Catalogue.read()}


def test_an_empty_catalogue_is_one(tmp_path: Path) -> None:
    assert len(Catalogue.read(write(tmp_path / "empty.toml", ""))) == 0


def table(name: str = "mine", source: str = "torchvision", network: str = "resnet18", rest: str = "") -> str:
    return f'[[models]]\nname = "{name}"\nsource = "{source}"\nnetwork = "{network}"\n{rest}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (table() + table(), "two models are named mine"),
        ("include_built_in = true\n" + table("resnet18"), "two models are named resnet18"),
        (table(source="huggingface"), "model mine: source"),
        (table(network="resnet19"), "model mine: unknown network 'resnet19'; nearest: resnet18"),
        (table(network="fcn_resnet50"), "model mine: unknown network 'fcn_resnet50'"),
        (table(source="efficientnet_lite", network="lite9"), "model mine: unknown network 'lite9'; known: lite0"),
        (table(rest="wieghts = 1"), "model mine: wieghts"),
        (table(rest='seed = "x"'), "model mine: seed"),
        (table(rest="labels = 7"), "model mine: labels"),
        ("[[models]]\nsource = 'torchvision'\nnetwork = 'resnet18'\n", "model number 1: name"),
        ("[[models]]\nname = 'mine'\nnetwork = 'resnet18'\n", "model mine: source"),
        (table("Mine"), "model Mine: name"),
        (table("a/b"), "model a/b: name"),
        (table("x" * 64), "name"),
        ("[models]\nname = 'mine'\n", r"written \[\[models\]\]"),
        ("models = 3\n", r"written \[\[models\]\]"),
        ("models = [1]\n", "model number 1"),
        ("modles = []\n", "unknown key 'modles'"),
        ('include_built_in = "no"\n', "include_built_in"),
        ("[[models]\n", "is no TOML"),
        (table(rest='weights = "IMAGENET1K_V9"'), "no weights 'IMAGENET1K_V9' for resnet18; it has IMAGENET1K_V1"),
        (table(rest='weights = "lost.safetensors"'), "model mine: there is no weights file .*lost.safetensors"),
        (table(rest='labels = "lost.txt"'), "model mine: there is no labels file .*lost.txt"),
        (table(source="factory", network="resnet18"), "no package.module:factory"),
        (table(source="factory", network=":build"), "no package.module:factory"),
        (table(source="factory", network="TEAM.networks:lost"), "cannot be imported: AttributeError"),
        (table(source="factory", network="TEAM.lost:build"), "cannot be imported: ModuleNotFoundError"),
        (table(source="factory", network="TEAM.broken:build"), "a_package_that_is_not_there"),
        (table(source="factory", network="TEAM.networks:CONSTANT"), "cannot be called"),
        # Weights that would be left aside in silence.
        (table(source="factory", network="TEAM.networks:build", rest='weights = "net.ckpt"'), "net.ckpt"),
        (table(source="efficientnet_lite", network="lite0", rest='weights = "IMAGENET1K_V1"'), "IMAGENET1K_V1"),
        (table(rest=f'weights_sha256 = "{"0" * 64}"'), "weights_sha256"),
    ],
)
def test_an_entry_that_can_never_load_is_refused_when_the_catalogue_is_read(
    text: str, message: str, team: str, tmp_path: Path
) -> None:
    path = write(
        tmp_path / "catalogue.toml", text.replace("TEAM.networks", team).replace("TEAM", team.removesuffix(".networks"))
    )
    with pytest.raises(CatalogueError, match=message) as caught:
        Catalogue.read(path)
    assert caught.value.status == "FAILED_PRECONDITION"


def test_a_catalogue_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="No such file"):
        Catalogue.read(tmp_path / "lost.toml")
    with pytest.raises(CatalogueError, match="cannot be read"):
        Catalogue.read(tmp_path)


def test_a_catalogue_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalogue.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogueError, match="is no TOML"):
        Catalogue.read(tmp_path / "catalogue.toml")


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000], ids=["brackets", "digits"])
def test_a_catalogue_that_pythons_reader_trips_over_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="is no TOML"):
        Catalogue.read(write(tmp_path / "catalogue.toml", text))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f'weights = "{"x" * 300}.pt"', "no weights file"),
        (f'labels = "{"x" * 300}"', "no labels file"),
        (f"seed = {2**64}", "seed"),
        (f"seed = {-(2**63) - 1}", "seed"),
    ],
    ids=["weights", "labels", "large seed", "small seed"],
)
def test_what_no_file_system_and_no_generator_takes_is_refused(line: str, message: str, tmp_path: Path) -> None:
    text = f'[[models]]\nname = "net"\nsource = "torchvision"\nnetwork = "resnet18"\n{line}\n'
    with pytest.raises(CatalogueError, match=message):
        Catalogue.read(write(tmp_path / "catalogue.toml", text))


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UnknownModel, match=r"unknown model 'resnet51'; nearest: .*resnet50") as caught:
        Catalogue.read().load("resnet51")
    assert (caught.value.status, caught.value.field) == ("NOT_FOUND", "model")


def test_a_loaded_network_is_ready_to_be_explained() -> None:
    model = load(**SMALL)
    assert not any(part.training for part in model.module.modules())
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    assert all(weights.is_contiguous(memory_format=torch.channels_last)
               for weights in model.module.parameters() if weights.ndim == 4)  # fmt: skip
    assert model.parameter_count == sum(weights.numel() for weights in model.module.parameters())
    assert model.device == torch.device("cpu")


def test_the_same_seed_gives_the_same_weights_and_another_seed_gives_others() -> None:
    one, again, other = (load(**SMALL, seed=seed) for seed in (1, 1, 2))
    assert one.weights_digest == again.weights_digest != other.weights_digest
    assert torch.equal(scores(one.module), scores(again.module))


def test_also_a_network_with_a_random_start_of_its_own_keeps_to_the_seed() -> None:
    one, again = (load(source="torchvision", network="googlenet", seed=1) for _ in range(2))
    assert one.weights_digest == again.weights_digest


def test_loading_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    load(**SMALL, seed=99)
    assert torch.equal(torch.rand(3), expected)


def test_the_digest_tells_weights_apart_by_name_type_shape_and_value() -> None:
    def network(
        value: float = 0.0, name: str = "w", shape: tuple[int, ...] = (2, 3), dtype: torch.dtype = torch.float32
    ) -> nn.Module:
        module = nn.Module()
        module.register_buffer(name, torch.full(shape, value, dtype=dtype))
        return module

    digests = [
        weights_digest(module)
        for module in (
            network(),
            network(1.0),
            network(-0.0),
            network(name="v"),
            network(shape=(3, 2)),
            network(dtype=torch.float16),
            network(dtype=torch.int32),
        )
    ]
    assert len(set(digests)) == len(digests)
    assert digests[0] == weights_digest(network())


def test_the_digest_does_not_hang_on_how_weights_lie_in_memory() -> None:
    convolution = nn.Conv2d(3, 4, 3)
    before = weights_digest(convolution)
    assert weights_digest(convolution.to(memory_format=torch.channels_last)) == before


FORMS: dict[str, tuple[str, Callable[[dict[str, Tensor], Path], None]]] = {
    "safetensors": ("w.safetensors", save_file),
    "state dict": ("w.pt", torch.save),
    "pth": ("w.pth", torch.save),
    "bin": ("w.bin", torch.save),
    "checkpoint": ("w.pt", lambda state, path: torch.save({"state_dict": state, "epoch": 3, "loss": 0.1}, path)),
    "data parallel": ("w.pt", lambda state, path: torch.save({f"module.{k}": v for k, v in state.items()}, path)),
    "data parallel checkpoint": (
        "w.pt", lambda state, path: torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, path),
    ),
    "data parallel safetensors": (
        "w.safetensors", lambda state, path: save_file({f"module.{k}": v for k, v in state.items()}, path),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def trained() -> Model:
    return load(**SMALL, seed=5)


def state_of(model: Model) -> dict[str, Tensor]:
    return {key: value.contiguous() for key, value in model.module.state_dict().items()}


@pytest.mark.parametrize("form", FORMS)
def test_weights_load_from_a_file(form: str, trained: Model, tmp_path: Path) -> None:
    name, save = FORMS[form]
    save(state_of(trained), tmp_path / name)
    sha256 = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    found = load(tmp_path, **SMALL, weights=name, weights_sha256=sha256.upper())
    assert found.weights_digest == trained.weights_digest
    assert torch.equal(scores(found.module), scores(trained.module))


def test_a_relative_weights_file_lies_beside_the_catalogue(trained: Model, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    save_file(state_of(trained), tmp_path / "weights/w.safetensors")
    rest = 'weights = "weights/w.safetensors"\narguments = { num_classes = 10 }'
    catalogue = Catalogue.read(write(tmp_path / "c.toml", table(network="squeezenet1_1", rest=rest)))
    assert catalogue.load("mine").weights_digest == trained.weights_digest


@pytest.mark.parametrize("network", ["googlenet", "inception_v3"])
def test_published_weights_with_training_heads_load_from_a_file(network: str, tmp_path: Path) -> None:
    torch.manual_seed(6)
    # As torchvision publishes them: with the auxiliary heads, and trained with its own channel statistics.
    published = torchvision.models.get_model(
        network, weights=None, aux_logits=True, transform_input=True, init_weights=False
    ).eval()
    assert any(name.startswith(("aux1.", "AuxLogits.")) for name in published.state_dict())
    save_file(published.state_dict(), tmp_path / "w.safetensors")
    model = load(tmp_path, source="torchvision", network=network, weights="w.safetensors")
    size = model.preprocessing.height
    expected = scores(published.to(memory_format=torch.channels_last), size)
    assert expected.any()
    assert torch.allclose(scores(model.module, size), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_efficientnet_lite_loads_another_file(tmp_path: Path) -> None:
    shipped = load(source="efficientnet_lite", network="lite0")
    state = torch.load(published_weights("lite0"), weights_only=True)
    state["_fc.bias"] = state["_fc.bias"] + 1
    torch.save(state, tmp_path / "w.pth")
    tuned = load(tmp_path, source="efficientnet_lite", network="lite0", weights="w.pth")
    assert torch.allclose(scores(tuned.module), scores(shipped.module) + 1, atol=1e-4)
    assert tuned.weights_digest != shipped.weights_digest


def without_one(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return dict(list(state.items())[1:])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_one, "do not fit .*Missing key"),
        (lambda state: state | {"extra": torch.zeros(1)}, "do not fit .*Unexpected key"),
        (lambda state: state | {"classifier.1.bias": torch.zeros(1000)}, "do not fit .*size mismatch"),
        (lambda state: {"model": state}, "holds no state dict"),
        (lambda state: list(state.values()), "holds no state dict"),
        (lambda state: {0: torch.zeros(1)}, "holds no state dict"),
        (lambda state: torch.zeros(3), "holds no state dict"),
    ],
    ids=["missing", "unexpected", "other classes", "nested", "list", "numbered", "tensor"],
)
def test_weights_that_do_not_fit_are_refused(
    spoil: Callable[[Any], Any], message: str, trained: Model, tmp_path: Path
) -> None:
    torch.save(spoil(state_of(trained)), tmp_path / "w.pt")
    with pytest.raises(ModelUnloadable, match=message):
        load(tmp_path, **SMALL, weights="w.pt")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.bin"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", bytes(1000), b"PK\x03\x04 half a zip"])
def test_a_file_that_holds_no_weights_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelUnloadable, match=name):
        load(tmp_path, **SMALL, weights=name)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_the_beginning_of_a_weights_file_is_refused(name: str, kept: float, trained: Model, tmp_path: Path) -> None:
    save: Callable[..., None] = save_file if name.endswith("safetensors") else torch.save
    save(state_of(trained), tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ModelUnloadable):
        load(tmp_path, **SMALL, weights=name)


class Intruder:
    """Unpickled, it would write a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.trace, "I was here")


@pytest.mark.parametrize("save", ["torch", "legacy torch", "pickle"])
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(save: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    content = {"state_dict": {"weight": torch.zeros(1)}, "intruder": Intruder(trace)}
    if save == "pickle":
        (tmp_path / "w.pt").write_bytes(pickle.dumps(content))
    else:
        torch.save(content, tmp_path / "w.pt", _use_new_zipfile_serialization=save == "torch")
    with pytest.raises(ModelUnloadable, match="refused"):
        load(tmp_path, **SMALL, weights="w.pt")
    assert not trace.exists()
    # The trap is a real one: who unpickles it without care springs it.
    if save == "pickle":
        pickle.loads((tmp_path / "w.pt").read_bytes())
    else:
        torch.load(tmp_path / "w.pt", weights_only=False)
    assert trace.exists()


def test_a_weights_file_with_another_digest_is_refused(trained: Model, tmp_path: Path) -> None:
    save_file(state_of(trained), tmp_path / "w.safetensors")
    wrong = "0" * 64
    rest = f'weights = "w.safetensors"\nweights_sha256 = "{wrong}"\narguments = {{ num_classes = 10 }}'
    found = hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    with pytest.raises(ModelUnloadable, match=f"SHA-256 {found}, not {wrong}"):
        Catalogue.read(write(tmp_path / "c.toml", table(network="squeezenet1_1", rest=rest)))


def test_a_weights_file_that_is_exchanged_after_the_catalogue_was_read_is_refused(
    trained: Model, tmp_path: Path
) -> None:
    save_file(state_of(trained), tmp_path / "w.safetensors")
    sha256 = hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    rest = f'weights = "w.safetensors"\nweights_sha256 = "{sha256}"\narguments = {{ num_classes = 10 }}'
    catalogue = Catalogue.read(write(tmp_path / "c.toml", table(network="squeezenet1_1", rest=rest)))
    assert catalogue.load("mine").name == "mine"
    save_file({key: value + 1 for key, value in state_of(trained).items()}, tmp_path / "w.safetensors")
    with pytest.raises(ModelUnloadable, match="SHA-256"):
        catalogue.load("mine")
    (tmp_path / "w.safetensors").unlink()
    with pytest.raises(CatalogueError, match="there is no weights file"):
        catalogue.load("mine")


def test_a_teams_own_network_loads_by_its_factory(team: str, tmp_path: Path) -> None:
    model = load(source="factory", network=f"{team}:build", arguments={"classes": 7}, seed=3)
    assert type(model.module).__name__ == "Net"
    assert model.layers.output_shape == (7,)
    assert model.layers.suggested == "1"
    assert (model.has_labels, list(model.labels)) == (False, list("0123456"))
    save_file(state_of(model), tmp_path / "w.safetensors")
    fields: dict[str, Any] = {"source": "factory", "network": f"{team}:Net", "arguments": {"classes": 7}}
    again = load(tmp_path, **fields, weights="w.safetensors")
    assert again.weights_digest == model.weights_digest


@pytest.mark.parametrize(
    ("factory", "fields", "message"),
    [
        ("raising", {}, "raising raised ValueError: no such backbone"),
        ("build", {"arguments": {"depth": 3}}, "raised TypeError: .*depth"),
        ("nothing", {}, "returned a str, no nn.Module"),
        ("Raises", {}, "a pass with a picture of 224 x 224 raised IndexError: list index out of range"),
        ("Maps", {}, r"the output for one picture has the shape \[5, 56, 56\]"),
        ("Pair", {}, "output is a tuple"),
        ("Single", {}, r"the output for one picture has the shape \[\]"),
        ("build", {"labels": ["cat", "dog"]}, "has 4 classes, but 2 labels"),
        ("build", {"labels": "labels.txt"}, "has 4 classes, but 3 labels"),
        ("build", {"labels": "latin.txt"}, "latin.txt"),
        ("build", {"preprocessing": {"resize": 100}}, "preprocessing: .*resize 100 is smaller than the crop"),
        ("build", {"preprocessing": {"crop": 100}}, "preprocessing"),
        ("build", {"preprocessing": {"std": [0, 1, 1]}}, "preprocessing: .*std must be positive"),
        ("build", {"layer": "2"}, r"the layer '2' has the output shape \[5, 1, 1\], which is not spatial"),
        ("build", {"layer": "conv"}, "unknown layer 'conv'"),
    ],
)
def test_a_network_that_cannot_be_explained_is_refused_with_the_cause(
    factory: str, fields: dict[str, Any], message: str, team: str, tmp_path: Path
) -> None:
    write(tmp_path / "labels.txt", "cat\ndog\nbird\n")
    (tmp_path / "latin.txt").write_bytes("chat\nchien\noiseau\nbête\n".encode("latin-1"))
    with pytest.raises(CatalogueError, match=message) as caught:
        load(tmp_path, source="factory", network=f"{team}:{factory}", **fields)
    assert "net" in caught.value.message


def test_an_entry_may_say_how_pictures_are_prepared_and_which_layer_counts(team: str, tmp_path: Path) -> None:
    write(tmp_path / "labels.txt", "cat\ndog\nbird\nmoose\n")
    model = load(
        tmp_path,
        source="factory",
        network=f"{team}:build",
        preprocessing={"resize": 40, "height": 32, "width": 36, "mean": [0.5, 0.5, 0.5]},
        layer="0",
        labels="labels.txt",
        description="ours",
    )
    assert (model.preprocessing.height, model.preprocessing.width, model.preprocessing.mean) == (32, 36, (0.5,) * 3)
    assert model.preprocessing.std == (0.229, 0.224, 0.225)
    assert model.layers.suggested == "0"
    assert model.layers.layers[0].output_shape == (5, 8, 9)
    assert (list(model.labels), model.has_labels) == (["cat", "dog", "bird", "moose"], True)
    assert model.description == "ours"


def test_torchvisions_labels_and_preprocessing_come_with_its_networks() -> None:
    model = load(source="torchvision", network="squeezenet1_1")
    assert (model.labels[281], len(model.labels), model.has_labels) == ("tabby", 1000, True)
    other = load(**SMALL)
    assert (list(other.labels), other.has_labels) == (list("0123456789"), False)
    assert model.preprocessing == Preprocessing(resize=256, height=224, width=224, interpolation="bilinear")


@pytest.mark.parametrize("label", ["tabby", "Tabby", " TABBY "])
def test_a_label_names_its_class_in_capital_and_small_letters(label: str) -> None:
    assert Labels(imagenet_labels()).index_of(label) == 281


def test_a_label_of_two_classes_is_ambiguous() -> None:
    with pytest.raises(InvalidInput, match="classes 0, 2") as caught:
        Labels(["crane", "heron", "crane"]).index_of("Crane")
    assert (caught.value.field, caught.value.reason) == ("target", "AMBIGUOUS_CLASS")


def test_imagenet_has_a_dog_and_a_jacket_named_cardigan() -> None:
    labels = Labels(imagenet_labels())
    assert (labels.index_of("Cardigan"), labels.index_of("cardigan")) == (264, 474)
    with pytest.raises(InvalidInput, match="264, 474") as caught:
        labels.index_of("CARDIGAN")
    assert (caught.value.reason, caught.value.field) == ("AMBIGUOUS_CLASS", "target")


@pytest.mark.parametrize(("label", "nearest"), [("tabbi", "tabby"), ("Egyptian Cats", "Egyptian cat"), ("", "known:")])
def test_an_unknown_label_names_the_nearest(label: str, nearest: str) -> None:
    with pytest.raises(UnknownName, match=nearest) as caught:
        Labels(imagenet_labels()).index_of(label)
    assert (caught.value.field, caught.value.reason) == ("target", "UNKNOWN_CLASS")


def test_a_message_about_an_endless_name_stays_short() -> None:
    with pytest.raises(UnknownName) as caught:
        Labels(imagenet_labels()).index_of("cat" * 100_000)
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize("index", [0, 281, 999])
def test_a_class_index_is_checked(index: int) -> None:
    assert Labels(imagenet_labels()).check_index(index) == index


@pytest.mark.parametrize("index", [-1, 1000, 2**31])
def test_an_index_that_is_no_class_is_refused(index: int) -> None:
    with pytest.raises(InvalidInput, match="classes 0 to 999") as caught:
        Labels(imagenet_labels()).check_index(index)
    assert caught.value.reason == "UNKNOWN_CLASS"
