"""Elements of a page: text is text, whatever it contains, and becomes markup only here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element, tostring

Child = Element | str | None

# Characters that no HTML document may hold; error messages of other programs do.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def node(tag: str, *children: Child, attributes: Mapping[str, str] | None = None) -> Element:
    """An element with text and elements inside, in order; None is left out.

    >>> markup(node("p", "1 < 2, ", node("b", "said & done"), attributes={"title": 'a "b"'}))
    '<p title="a &quot;b&quot;">1 &lt; 2, <b>said &amp; done</b></p>'
    """
    element = Element(tag, {name: _clean(value) for name, value in (attributes or {}).items()})
    last: Element | None = None
    for child in children:
        if isinstance(child, str):
            if last is None:
                element.text = (element.text or "") + _clean(child)
            else:
                last.tail = (last.tail or "") + _clean(child)
        elif child is not None:
            element.append(child)
            last = child
    return element


def table(head: Iterable[str], lines: Iterable[Iterable[Element | str]], name: str) -> Element:
    """A table whose cells carry their column's heading, so that a narrow screen can show each line as a card."""
    headings = list(head)
    body = [
        node("tr", *(_cell(heading, content) for heading, content in zip(headings, line, strict=True)))
        for line in lines
    ]
    top = node("thead", node("tr", *(node("th", heading, attributes={"scope": "col"}) for heading in headings)))
    return node("table", top, node("tbody", *body), attributes={"class": name})


def link(address: str, words: str) -> Element:
    """A link out of the page or into it."""
    return node("a", words, attributes={"href": address})


def markup(element: Element) -> str:
    """The element as HTML."""
    return tostring(element, encoding="unicode", method="html")


def _cell(heading: str, content: Element | str) -> Element:
    return node("td", content, attributes={"data-heading": heading})


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
