"""From a click on a photograph to why the network answers as it does."""

from playwright.sync_api import Page, expect


def test_a_click_on_a_photograph_gives_the_classes_and_the_heatmap(page: Page) -> None:
    page.locator("#samples button, #samples .gallery-item").first.click()
    expect(page.locator("#said input")).to_have_count(5)
    expect(page.locator("#explain figure canvas")).to_have_count(1)
