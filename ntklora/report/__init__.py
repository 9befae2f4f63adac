"""The report: one HTML page with every claim, every figure and where each number comes from; nothing outside it.

Everything on the page is read from stored rows; a page without rows says that it has none.

* `build` reads the store, draws the figures and writes the page whole or not at all.
* `page` puts the sections together; `setting`, `verdicts`, `gallery` and `sources` are the sections; `html` makes
  elements.
"""

from ntklora.report.build import build as build
