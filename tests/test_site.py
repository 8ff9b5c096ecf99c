"""What a reader sees of the built documentation, in headless Chromium.

``SKNORM_SITE`` names the folder of the pages (``docs/_build/html`` otherwise) and
``CHROMIUM`` the browser (``chromium`` on the path otherwise). Without them these tests fail.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.docs

SITE = Path(os.environ.get("SKNORM_SITE", Path(__file__).parents[1] / "docs/_build/html"))
EXAMPLE = "auto_examples/tuning/plot_tune_regularization"
CLASS = "api/sknorm.MLPClassifier"
PAGES = ["index", "getting_started", "user_guide", "user_guide/regularization", "api", CLASS]
PAGES += ["api/sknorm.functional.batch_norm", "auto_examples/index", EXAMPLE, "devices"]
PAGES += ["migration/keras", "accuracy", "performance", "decisions/index", "changelog"]
PAGES += ["contributing", "api/sknorm.model_selection.StackedGridSearchCV"]
# Elements of a page that stick out to the right, and cannot be scrolled to or are cut off.
STICKING_OUT = """() => {
    const width = document.documentElement.clientWidth;
    const framed = (element) => {
        for (let each = element; each && each !== document.body; each = each.parentElement)
            if (['auto', 'scroll'].includes(getComputedStyle(each).overflowX)
                && each.matches('pre, .formula, div:has(> table), .highlight')) return true;
        return false;
    };
    return [...document.querySelectorAll('.bd-article-container *')]
        .filter((each) => each.getBoundingClientRect().right > width + 1 && !framed(each))
        .map((each) => each.outerHTML.slice(0, 80));
}"""
# The colours of text and of what is behind it, as red, green and blue.
COLORS = """(element) => {
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    let behind = element;
    while (numbers(getComputedStyle(behind).backgroundColor)[3] === 0)
        behind = behind.parentElement;
    return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor]
        .map((color) => numbers(color).slice(0, 3));
}"""


# The text before a link, in its line of code.
LINE_BEFORE = """(link) => {
    const range = document.createRange();
    range.setStart(link.closest('pre, p'), 0);
    range.setEndBefore(link);
    return range.toString().split('\\n').pop();
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert chromium, "no Chromium: set the environment variable CHROMIUM to its path"
    assert (SITE / "index.html").exists(), f"no site in {SITE}: build it, or set SKNORM_SITE"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(params=[1280, 390], ids=["wide", "phone"])
def width(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(params=["light", "dark"])
def page(browser: Any, width: int, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page of this width and theme that no network is behind."""
    viewport = {"width": width, "height": 900}
    context = browser.new_context(viewport=viewport, color_scheme=request.param, offline=True)
    opened = context.new_page()
    opened.problems = []
    opened.on("pageerror", lambda error: opened.problems.append(str(error)))
    yield opened
    context.close()


def visit(page: Any, name: str) -> None:
    page.goto((SITE / f"{name}.html").as_uri())
    page.wait_for_function("document.documentElement.dataset.theme")


def contrast(page: Any, element: Any) -> float:
    """Of text and what is behind it, by the rule of WCAG."""

    def luminance(color: list[float]) -> float:
        parts = [value / 255 for value in color]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted(map(luminance, element.evaluate(COLORS)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_its_window_and_can_be_read(page: Any, width: int, name: str) -> None:
    visit(page, name)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(STICKING_OUT) == []
    assert contrast(page, page.locator("main h1").first) > 4.5
    assert contrast(page, page.locator("main p").first) > 4.5
    assert page.problems == []


def test_the_home_page_shows_what_it_is_on_one_screen(page: Any, width: int) -> None:
    visit(page, "index")
    assert "scikit-learn" in page.locator("h1").inner_text()
    figures = page.locator("main img:visible")
    assert figures.count() == 1  # of the theme
    assert figures.first.evaluate("image => image.naturalWidth") > 300
    example = page.locator("main pre").first
    assert "MLPClassifier" in example.inner_text()
    assert "2026" in page.locator(".caption-of-figure").inner_text()
    assert page.get_by_role("link", name="Get started").is_visible()
    if width > 1000:
        for element in (figures.first, example):
            box = element.bounding_box()
            assert box["y"] + box["height"] < 900


def test_the_page_of_a_class_begins_with_its_sentence_and_groups_its_parameters(page: Any) -> None:
    visit(page, CLASS)
    first = page.locator("dd > p").first
    assert first.inner_text().startswith("Multi-layer perceptron classifier")
    assert first.bounding_box()["y"] < 900
    headings = page.locator(".parameter-group").all_inner_texts()
    assert [each.split("#")[0].strip() for each in headings][:2] == [
        "Architecture",
        "Columns and targets",
    ]
    page.locator(".parameter-groups a", has_text="Run").click()
    assert 0 <= page.locator("#parameters-run").bounding_box()["y"] < 900
    assert page.locator("#random_state").is_visible()
    assert "/sknorm/estimators/classifier.py#L" in source_of(page)


def source_of(page: Any) -> str:
    return page.locator("a.reference.external", has_text="source").first.get_attribute("href")


def test_formulas_are_drawn_without_a_network(page: Any) -> None:
    visit(page, "user_guide/regularization")
    fractions = page.locator("div.formula mfrac")
    assert fractions.count() >= 2
    box = fractions.first.bounding_box()
    top = page.locator("div.formula mfrac > *").first.bounding_box()
    assert top["height"] < 0.7 * box["height"]  # stacked, not written in a row
    assert not [text for text in page.locator("math").all_text_contents() if "\\" in text]


def test_an_example_shows_its_picture_and_links_names_to_their_own_libraries(page: Any) -> None:
    visit(page, EXAMPLE)
    picture = page.locator("main img.sphx-glr-single-img").first
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 300
    assert any(
        "log loss" in text for text in page.locator(".sphx-glr-script-out").all_inner_texts()
    )
    link = "a[class*=sphx-glr-backref][title='{}']"
    ours, theirs = "sknorm.MLPClassifier", "sklearn.neural_network.MLPClassifier"
    for each in page.locator(link.format(ours)).all():
        assert "sklearn" not in each.evaluate(LINE_BEFORE)
        assert each.get_attribute("href").startswith("../../api/")
    found = page.locator(link.format(theirs)).first.get_attribute("href")
    assert found.startswith("https://scikit-learn.org/")
