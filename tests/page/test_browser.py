"""The pages in a browser: what is seen, what clicks and keys do, and that nothing is loaded from anywhere."""

import json
import shutil
import socket
import subprocess
import time
from urllib.parse import urlsplit

import pytest
import spacy
from spacy.tokens import SpanGroup

from spacy_clinicalbert.cli.view import make_command
from spacy_clinicalbert.corpora.docs import install_extensions
from spacy_clinicalbert.page.note_page import note_page
from spacy_clinicalbert.questions.answers import Found, install_getter, write_answers
from spacy_clinicalbert.questions.asked import Question
from tests.deployment.conftest import PATTERNS, TEXT, make_doc, make_nlp
from tests.page.test_view import HOSTILE, write_pdf

api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("Chromium is not installed: apt-get install chromium", allow_module_level=True)


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A page. Behind the test: nothing ran that the note had brought, and nothing was asked of another machine."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(120_000)  # a million characters, on a machine that is busy
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(urlsplit(request.url)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert asked and not wrong
    assert {(url.scheme, url.hostname) for url in asked} <= {
        ("file", None), ("http", "127.0.0.1"), ("ws", "127.0.0.1"), ("blob", None), ("data", None), ("about", None),
    }  # fmt: skip


@pytest.fixture
def show(page, tmp_path):
    """Open the page of a Doc as a user does, from a file."""

    def show(doc, **settings):
        path = tmp_path / "page.html"
        path.write_text(note_page(doc, **settings), encoding="utf8")
        page.goto(path.as_uri())
        return page

    return show


def style_of(locator, name, pseudo=None):
    return locator.evaluate("(node, [name, pseudo]) => getComputedStyle(node, pseudo)[name]", [name, pseudo])


def test_what_is_absent_is_struck_through_and_what_is_possible_dashed(show):
    page = show(make_doc(assertion={"certainty": "absent"}))
    span = page.locator(".span.absent").first
    assert span.is_visible() and style_of(span, "textDecorationLine") == "line-through"
    page = show(make_doc(assertion={"certainty": "possible"}))
    span = page.locator("main .span.possible").first
    assert style_of(span, "borderBottomStyle") == "dashed" and style_of(span, "textDecorationLine") == "none"


@pytest.mark.parametrize("way", ["hover", "focus"])
def test_probabilities_come_up_where_one_points_or_goes_with_the_keyboard(show, way):
    page = show(make_doc(assertion={"certainty": "absent"}))
    chip = page.locator("main .chip").first
    assert style_of(chip, "content", "::after") == "none"
    if way == "hover":
        chip.hover()
    else:
        for _ in range(20):
            page.keyboard.press("Tab")
            if chip.evaluate("node => node === document.activeElement"):
                break
    assert "certainty: absent 90%" in style_of(chip, "content", "::after")


def make_long_doc():
    """Sections, a summary and a pathology record, of which the evidence lies far below."""
    nlp = spacy.blank("en")
    nlp.add_pipe("clinical_sections")
    nlp.add_pipe("clinical_pathology")
    filling = "".join(f"Line {i} of the note says nothing.\n" for i in range(300))
    doc = nlp(f"HISTORY: None.\n{filling}DIAGNOSIS: Invasive ductal carcinoma of the left breast.\nStage pT1c pN0.")
    doc.spans["summary"] = SpanGroup(doc, name="summary", spans=[doc[-4:]], attrs={"salience": [0.5]})
    doc.cats = {"pathology": 0.9, "consult": 0.2}
    half = len(doc) // 2
    doc.spans["windows"] = SpanGroup(
        doc,
        name="windows",
        spans=[doc[:half], doc[half:]],
        attrs={"cats": [{"pathology": 0.2, "consult": 0.3}, {"pathology": 0.95, "consult": 0.1}]},
    )
    return doc


def test_everything_that_was_found_is_to_be_seen(show):
    install_extensions()
    install_getter()
    doc = make_long_doc()
    asked = Question("a", "Which side?"), Question("b", "Since when?")
    write_answers(doc, [Found(asked[0], [(len(doc) - 8, len(doc) - 7, 0.75)], {}), Found(asked[1], [], {})], 1, 0.5)
    page = show(doc)
    for heading in ("Sections", "Categories", "Questions", "Summary", "Pathology record"):
        assert page.get_by_role("heading", name=heading, exact=True).is_visible(), heading
    assert page.get_by_text("The note does not say.").is_visible()
    assert page.locator("main .answer").count() == 1
    bars = page.locator(".fill")
    widths = [bars.nth(i).bounding_box()["width"] for i in range(2)]
    assert widths[0] / widths[1] == pytest.approx(4.5, rel=0.05)


@pytest.mark.parametrize("kind", ["summary", "pathology", "outline", "window"])
def test_links_lead_to_their_places_in_the_note(show, kind):
    page = show(make_long_doc())
    link = {
        "summary": page.locator("section", has=page.get_by_role("heading", name="Summary")).locator("a"),
        "pathology": page.get_by_role("row", name="pT").locator("a"),
        "outline": page.locator("nav ol a").last,
        "window": page.locator(".windows a").nth(1),
    }[kind].first
    target = page.locator(f"[id='{link.get_attribute('href')[1:]}']")
    seen = "node => { const r = node.getBoundingClientRect(); return r.top >= 0 && r.top < innerHeight }"
    assert not target.evaluate(seen)
    link.click()
    page.wait_for_function(f"() => ({seen})(document.querySelector(':target'))")
    if kind in ("summary", "pathology"):
        hit = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--hit')")
        page.evaluate("hit => { const n = document.createElement('i'); n.id = 'hit'; n.style.color = hit; document.body.append(n) }", hit)  # fmt: skip
        colour = style_of(page.locator("#hit"), "color")
        assert style_of(page.locator(f".{link.get_attribute('href')[1:]}").first, "backgroundColor") == colour


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "<img src=x onerror=alert(1)><svg onload=alert(2)><a href='javascript:alert(3)'>fever</a>",
        "</main></body><style>*{display:none}</style><iframe srcdoc='<script>alert(1)</script>'></iframe>",
        "{{ 7*7 }} {% raw %} &lt;script&gt; \"'><script src=//example.org/x.js></script>",
        "x" * 1_000_000,
        "word " * 200_000,
    ],
)
def test_whatever_a_note_says_is_text(show, text):
    nlp = spacy.blank("en")
    nlp.max_length = 2_000_000
    nlp.add_pipe("entity_ruler").add_patterns(PATTERNS)
    page = show(nlp(text), name=text[:100], about=text[:100])
    note = page.locator(".note")
    shown = note.evaluate("node => { for (const c of node.querySelectorAll('.chip')) c.remove(); return node.textContent }")  # fmt: skip
    assert shown == text.replace("\u202e", "⟨U+202E⟩")
    assert note.is_visible() and page.locator("iframe, img, svg, script").count() == 0
    # The text wraps: nobody has to scroll to the right.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_fits_on_a_telephone_and_in_the_dark(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(note_page(make_long_doc()), encoding="utf8")
    context = browser.new_context(viewport={"width": 360, "height": 640}, color_scheme="dark")
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    light = "getComputedStyle(document.body).color.match(/\\d+/g).slice(0, 3).every(each => Number(each) > 180)"
    assert page.evaluate(light)
    context.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """`view` at work, with two pipelines side by side."""
    pytest.importorskip("streamlit")
    folder = tmp_path_factory.mktemp("view")
    make_nlp().to_disk(folder / "first")
    other = spacy.blank("en")
    other.add_pipe("entity_ruler").add_patterns([{"label": "OTHER", "pattern": "chest pain"}])
    other.to_disk(folder / "second")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = make_command([str(folder / "first"), str(folder / "second")], None, port)
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if server.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        assert server.poll() is None
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)


def paste(page, text):
    page.locator("label", has_text="Paste").click()
    box = page.get_by_label("Text", exact=True)
    box.fill(text)
    box.press("Control+Enter")


def shown_in(page, number):
    return page.frame_locator(f"iframe >> nth={number}")


def test_app_shows_two_pipelines_side_by_side_and_gives_files(page, address):
    page.goto(address)
    expect = api.expect
    expect(shown_in(page, 0).locator(".note")).to_be_visible(timeout=60_000)
    paste(page, TEXT)
    expect(shown_in(page, 0).locator("main .chip").first).to_have_text("PROBLEM", timeout=60_000)
    expect(shown_in(page, 1).locator("main .chip").first).to_have_text("OTHER")
    boxes = [page.locator("iframe").nth(i).bounding_box() for i in range(2)]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] and boxes[0]["width"] > 200
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").first.click()
    record = json.loads(download.value.path().read_text(encoding="utf8"))
    assert [each["text"] for each in record["entities"]] == ["chest pain", "aspirin", "CXR"]


def test_links_of_the_app_stay_in_the_page_of_the_note(page, address):
    page.goto(address)
    api.expect(shown_in(page, 0).locator("nav ol a").first).to_be_visible(timeout=60_000)
    shown_in(page, 0).locator("nav ol a").last.click()
    api.expect(shown_in(page, 0).locator("main .note")).to_be_visible()
    assert page.url.rstrip("/") == address


@pytest.mark.parametrize("name", ["note.txt", "note.pdf"])
def test_app_reads_what_is_uploaded(page, address, name):
    pytest.importorskip("pypdf")
    page.goto(address)
    page.locator("label", has_text="Upload").click()
    data = write_pdf("Denies chest pain.") if name.endswith("pdf") else b"Denies chest pain."
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "text/plain", "buffer": data})
    api.expect(shown_in(page, 0).locator("main .note")).to_contain_text("Denies chest pain", timeout=60_000)


def test_app_shows_a_hostile_note_as_text(page, address):
    page.goto(address)
    api.expect(page.locator("iframe").first).to_be_visible(timeout=60_000)
    paste(page, HOSTILE)
    api.expect(shown_in(page, 0).locator("main .note")).to_contain_text("<script>alert(1)</script>", timeout=60_000)
    api.expect(page.locator("iframe")).to_have_count(2, timeout=60_000)
