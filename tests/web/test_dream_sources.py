"""Learned priors and dataset examples, from their choice to what stands beside the picture."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from convscope.client import Client, Collection, DatasetExamples
from tests.e2e.local_cluster import Addresses
from tests.web.conftest import MILLISECONDS
from tests.web.test_dream import choose, picture, reach, say, start
from tests.web.test_look_inside import choose as choose_in

pytestmark = pytest.mark.timeout(400)  # a collection is indexed and a prior trained, on cores that other tests share

MODEL, LAYER = "shapes_classifier", "eye.block5"
COUNT, STEPS = 80, 20
COLLECTION = "Small world"
SLOW = 3
"""Times as long for all that happens before a model is known: others use the same cores."""


@pytest.fixture(scope="module")
def world(cluster: Addresses) -> Iterator[Collection]:
    """Images of the small world, with an index of its classifier."""
    with Client.connect(cluster.server) as client:
        client.load_model(MODEL)
        made = client.create_collection(COLLECTION)
        made.import_shapes("caption", COUNT, seed=3).result()
        made.index(model=MODEL, layers=[LAYER]).result()
        client.train_prior(made, model=MODEL, layer="flatten", steps=2, batch=8).wait()
        yield made


@pytest.fixture
def dreaming(cluster: Addresses, world: Collection, visitor: Callable[..., Page]) -> Page:
    """The tab with the small world's classifier."""
    page: Page = visitor(f"{cluster.page}/?tab=dream")
    plan = page.locator("#dream-plan")
    expect(plan).to_contain_text("Makes the picture", timeout=SLOW * MILLISECONDS)
    choose_in(page, "model", MODEL)
    expect(page.locator("#dream-target input")).to_have_value("red circle", timeout=SLOW * MILLISECONDS)
    expect(plan).to_contain_text(f"Makes the picture that {MODEL}", timeout=SLOW * MILLISECONDS)
    return page


def choose_collection(page: Page) -> None:
    expect(page.locator("#dream-examples")).to_be_visible()
    choose(page, "examples", f"{COLLECTION}, {COUNT} images")
    expect(page.locator("#dream-from-best")).to_be_visible()


def python(page: Page) -> str:
    """The program that the page offers, white space aside."""
    if not page.locator("#dream-making").is_visible():
        page.get_by_text("Start it in Python").click()
    return " ".join(page.locator("#dream-making .cm-content").inner_text().split())


def test_a_walk_over_codes_shows_its_chain_and_dataset_examples(
    dreaming: Page, client: Client, world: Collection
) -> None:
    expect(dreaming.locator("#dream-prior")).to_be_hidden()
    dreaming.locator("#dream-recipes input").press("Backspace")
    choose(dreaming, "recipes", "nguyen2016_ppgn")
    first = next(prior for prior in client.priors() if prior.model == MODEL)
    expect(dreaming.locator("#dream-prior input")).to_have_value(re.compile(f"^{re.escape(first.layer)}, "))
    choose_collection(dreaming)
    (name,) = start(dreaming, steps=STEPS, size=None)
    expect(dreaming.locator("#dream-plan")).to_contain_text("by the recipe nguyen2016_ppgn")
    program = python(dreaming)
    assert f"prior='{first.name}'" in program
    assert f"DatasetExamples(collection='{world.name}')" in program
    reach(dreaming, "succeeded")

    made = client.job(name).result(parts=["images", "chain", "examples"])
    examples, chain = dreaming.locator("#dream-view").get_by_role("list", name=re.compile("examples|chain")).all()
    numbers = [f"image {number}" for number in made.made[0].example_numbers]
    assert numbers
    assert examples.locator(".note").all_inner_texts() == numbers
    walk = next(recipe for recipe in client.recipes() if recipe.name == "nguyen2016_ppgn")
    expect(chain.get_by_role("img")).to_have_count(walk.parameters["cycles"])


def test_a_table_tells_natural_pictures_and_what_has_no_prior(
    cluster: Addresses, dreaming: Page, client: Client, world: Collection, visitor: Callable[..., Page]
) -> None:
    dreaming.get_by_role("button", name="All", exact=True).click()
    known = [one for one in client.recipes() if one.purpose == "visualization"]
    expect(dreaming.locator("#dream-plan")).to_contain_text(f"once by each of {len(known)} recipes")
    assert "'nguyen2016_dgn': {'prior': " in python(dreaming)

    job = client.visualize_class(
        model=MODEL, target=0, recipe="simonyan2013", steps=2, examples=DatasetExamples(world)
    )  # fmt: skip
    job.wait()
    name = job.name.removeprefix("jobs/")
    page = visitor(f"{cluster.page}/?job={name}&job=-&recipe=simonyan2013&recipe=nguyen2016_dgn")
    rows = page.locator("#dream-view tbody tr")
    made, left = rows.first, rows.last
    expect(made.locator(".state")).to_have_text("succeeded")
    expect(made.locator("td").last.get_by_role("img")).to_have_count(4)
    expect(left).to_contain_text("Nguyen et al. 2016")
    expect(left).to_contain_text("it needs a learned prior")
    expect(left.locator(".mark", has_text="✓")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("button", name="All on one sheet").click()
    with Image.open(Path(download.value.path())) as sheet:
        assert sheet.width > 1000


def test_a_channel_is_made_from_the_picture_that_drives_it_most(dreaming: Page, client: Client) -> None:
    dreaming.get_by_label("Channel visualisation").check()
    expect(dreaming.locator("#dream-plan")).to_contain_text("Channel visualisation needs a layer")
    expect(dreaming.get_by_text("No collection is indexed")).to_be_visible()
    choose(dreaming, "layer", LAYER)
    choose_collection(dreaming)
    dreaming.get_by_label("Start from the best one").check()
    say(dreaming, "channel", 3)
    expect(dreaming.locator("#dream-plan")).to_contain_text("from the best dataset example on")
    expect(dreaming.locator("#dream-plan")).to_contain_text(f"channel 3 of {LAYER}")
    (name,) = start(dreaming, steps=2, size=None)
    assert f"unit=Unit(layer='{LAYER}', channel=3)" in python(dreaming)
    assert "start=True" in python(dreaming)
    reach(dreaming, "succeeded")
    made = client.job(name).result(parts=["images"])
    assert picture(dreaming.locator("#dream-view .picture")) == made.files["image-0.png"]
    expect(dreaming.locator("#dream-view .strip .note")).to_have_text(
        [f"image {number}" for number in made.made[0].example_numbers]
    )


def test_a_trained_prior_shows_what_it_makes_and_its_name(
    cluster: Addresses, client: Client, world: Collection, visitor: Callable[..., Page]
) -> None:
    prior = next(prior for prior in client.priors() if prior.collection == world.name)
    page = visitor(f"{cluster.page}/?job={prior.name}")
    reach(page, "succeeded")
    view = page.locator("#dream-view")
    expect(view.locator(".title")).to_have_text("Training of a prior")
    expect(view.locator(".copied code")).to_have_text(prior.name)
    expect(view.locator(".words")).to_contain_text(f"learned from {prior.image_count} images")
    expect(view.get_by_role("list", name=re.compile("Held-out")).get_by_role("img")).to_have_count(
        min(8, prior.held_out_count)
    )
    expect(view.get_by_role("button", name="Prior", exact=True)).to_be_visible()
