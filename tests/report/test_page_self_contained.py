"""Property: the page is one well-formed document that needs nothing outside itself and escapes every string."""

import re
from html.parser import HTMLParser

import pytest

from ntklora.claims import Outcome
from ntklora.report.page import page
from tests.report.contents import NASTY, claim, contents, result

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Reader(HTMLParser):
    """Collects what a browser would load, and checks that every element is closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.links, self.ids, self.text, self.images = [], [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(tag)
        self.links += [attributes[name] for name in ("href", "src", "srcset", "action") if name in attributes]
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.images += [attributes] if tag == "img" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    results = [result("T1", Outcome.consistent), result("H6", Outcome.error, reason=NASTY)]
    return page(contents(folder, results, [claim("T2")], rungs=(2, 7)))


@pytest.fixture(scope="module")
def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_nothing_is_loaded_from_elsewhere(read, text):
    outside = [link for link in read.links if not link.startswith(("#", "data:"))]
    assert outside
    assert all(re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{5}", link) for link in outside)
    assert not {"script", "link", "iframe", "object"} & set(read.tags)
    assert "@import" not in text
    assert "url(" not in text


def test_every_link_inside_the_page_has_its_target(read):
    targets = {link[1:] for link in read.links if link.startswith("#")}
    assert targets <= set(read.ids)
    assert len(read.ids) == len(set(read.ids))


def test_hostile_strings_are_shown_as_text(read, text):
    shown = "".join(read.text)
    assert shown.count("<script>alert('x')</script> & \"quotes\" ]]> </style> ‖Γ‖ ≤ λ") >= 6
    assert "script" not in read.tags
    assert not set(text) & {chr(code) for code in (*range(9), 11, 12, *range(14, 32), 127)}


def test_every_image_says_what_was_found(read):
    assert read.images
    for image in read.images:
        assert "ladders." in image["alt"]
        assert image["src"].startswith("data:image/svg+xml;base64,")


def test_it_fits_a_narrow_screen_and_both_colour_schemes(text):
    for rule in ("width=device-width", "prefers-color-scheme: dark", "@media print", "max-width: 52rem"):
        assert rule in text
