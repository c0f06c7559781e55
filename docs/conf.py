"""The documentation: ``make docs`` builds it into docs/_build/html, warnings as errors."""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import matplotlib as mpl

from knnc import __version__

mpl.use("agg")
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from reference import write_api_pages, write_command_page  # noqa: E402  beside this file

project = "knnc"
author = "the knnc developers"
project_copyright = author
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
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
    "header_links_before_dropdown": 6,
    "navbar_persistent": ["search-button"],
    # The benchmarks' tables take all the room there is.
    "secondary_sidebar_items": {"**": ["page-toc"], "benchmarks": []},
}
html_static_path = ["_static"]
html_css_files = ["knnc.css"]
# Pages without pages below them have nothing to show at the left, and use the room.
WITH_SIDEBAR = ("start", "sklearn", "tuning", "pages", "guide", "choosing", "cluster", "help")
html_sidebars = {
    "*": [],
    **{page: ["sidebar-nav-bs"] for page in (*WITH_SIDEBAR, "api/**", "gallery/*")},
}
# Output is not copied, and has no button.
copybutton_selector = "div.highlight-python pre, div.highlight-default pre"


def inventories() -> dict[str, tuple[str, str]]:
    """Where links to other libraries lead: those whose list of names can be had.

    It is downloaded once. Without a network its links are plain text, and nothing is a warning.
    """
    found, folder = {}, HERE / "_build" / "inventories"
    folder.mkdir(parents=True, exist_ok=True)
    for name, address in {
        "python": "https://docs.python.org/3/",
        "numpy": "https://numpy.org/doc/stable/",
        "scipy": "https://docs.scipy.org/doc/scipy/",
        "sklearn": "https://scikit-learn.org/stable/",
    }.items():
        path = folder / f"{name}.inv"
        if not path.exists():
            try:
                with urlopen(f"{address}objects.inv", timeout=10) as answer:
                    path.write_bytes(answer.read())
            except OSError as error:
                print(f"no links to {name}: {error}")
                continue
        found[name] = (address, str(path))
    return found


intersphinx_mapping = inventories()

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


write_api_pages(HERE / "api")
write_command_page(HERE / "api" / "commands.md")
