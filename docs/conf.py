"""The documentation: ``make docs`` builds it into docs/_build/html, warnings as errors."""

from __future__ import annotations

import re
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib as mpl

from knnc import __version__

mpl.use("agg")
HERE = Path(__file__).parent

project = "knnc"
author = "the knnc developers"
project_copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
root_doc = "index"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = f"knnc {release}"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 8,
    "navbar_persistent": ["search-button"],
    # The benchmarks' tables take all the room there is.
    "secondary_sidebar_items": {"**": ["page-toc"], "benchmarks": []},
}
html_static_path = ["_static"]
html_css_files = ["knnc.css"]
# Pages without pages below them have nothing to show at the left, and use the room.
html_sidebars = {"*": [], "api/**": ["sidebar-nav-bs"], "gallery/*": ["sidebar-nav-bs"]}

templates_path = ["_templates"]
autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "abort_on_example_error": True,
    "plot_gallery": True,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "download_all_examples": False,
    "write_computation_times": False,
}
# A warning in an example is a mistake in it.
warnings.filterwarnings("error", module="__main__")

# Every public name has a page: what is written here is taken from the packages themselves.
PARTS = {
    "knnc": "Estimators and functions",
    "knnc.image": "Images to features",
    "knnc.recipes": "Recipes",
    "knnc.inspection": "What neighbours say about labels",
    "knnc.ocr": "Pages of handwriting",
    "knnc.plot": "Pictures",
    "knnc.datasets": "Data sets",
    "knnc.dask": "Rows on a cluster",
    "knnc.onnx": "Models in the ONNX format",
}


def write_api_pages() -> None:
    """Write docs/api/index.md: each part's public names, with their first sentences."""
    lines, listed = ["# API", ""], set()
    for part, title in PARTS.items():
        module = import_module(part)
        public = [
            name
            for name in module.__all__
            if callable(getattr(module, name)) and getattr(module, name) not in listed
        ]
        listed |= {getattr(module, name) for name in public}  # some parts share a name
        lines += [f"## {title}", "", f"`{part}`: {(module.__doc__ or '').splitlines()[0]}", ""]
        lines += ["```{eval-rst}", f".. currentmodule:: {part}", "", ".. autosummary::"]
        lines += ["   :toctree: generated", "   :template: name.rst", ""]
        lines += [*(f"   {name}" for name in sorted(public)), "```", ""]
    page, text = HERE / "api" / "index.md", "\n".join(lines)
    page.parent.mkdir(exist_ok=True)
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


# "(n_features_in_,)" is a shape, not a link.
SHAPE = re.compile(r"\((\w+)_,\)")
# scikit-learn's docstrings, which inherited methods have, point at its own guide and glossary.
FOREIGN = re.compile(r":(?:ref|term|doc):`([^`<]+?)(?:\s*<[^`>]*>)?`")


def without_foreign_links(
    app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Make the links of inherited docstrings plain text."""
    text = FOREIGN.sub(r"\1", "\n".join(lines))
    lines[:] = SHAPE.sub(r"(\1\_,)", text).split("\n")


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", without_foreign_links, priority=100)


write_api_pages()
