"""Plotting for print: venue sizes, one palette, intervals for counts and medians, files with deterministic bytes.

* `style`: the widths and letter sizes of the venues, colours and markers that differ in grey too.
* `intervals`: Clopper-Pearson for shares, bootstrap for medians.
* `files`: a figure from the store as PDF, PNG, SVG, the plotted data as CSV and the provenance as JSON.

Importing the package does not import matplotlib.
"""
