"""Writes the pages of the API and of the command line, from the packages and the program."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

# Every public name is in one group. A name that is new has to be put into one.
GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "knnc": {
        "Classify": ("KNeighborsClassifier", "RadiusNeighborsClassifier", "LocalOutlierFactor"),
        "Predict numbers": ("KNeighborsRegressor", "RadiusNeighborsRegressor"),
        "Find neighbours": ("NearestNeighbors", "kneighbors_graph", "radius_neighbors_graph"),
        "Steps of a pipeline": ("KNeighborsTransformer", "RadiusNeighborsTransformer"),
        "Choose the best k": ("KNeighborsClassifierCV", "KNeighborsRegressorCV"),
        "Replace scikit-learn's": ("patch_sklearn", "unpatch_sklearn"),
        "Files": ("save", "load"),
        "Settings, progress, what runs": (
            *("config_context", "get_config", "set_config"),
            *("progress", "show_runtime"),
        ),
    },
    "knnc.image": {
        "Images to features": (
            *("Blur", "Deskew", "HOG", "LocalDiscriminant", "Shift", "Stretch"),
        ),
        "Classifiers of images": ("DistortionKNeighborsClassifier", "SoftWeights"),
    },
    "knnc.recipes": {"Recipes": ("plain", "fast", "accurate", "clothes", "make_recipe")},
    "knnc.inspection": {
        "Labels and duplicates": (
            *("disputed_labels", "DisputedLabels", "near_duplicates", "NearDuplicates"),
            "leave_one_out_proba",
        ),
    },
    "knnc.ocr": {
        "Pages of handwriting": (
            *("read_page", "read_pages", "formatted", "annotate", "save_pdf"),
            *("Page", "Word", "Glyph", "normalise", "training_rows"),
        ),
    },
    "knnc.plot": {
        "Pictures of what is read": (
            *("ReadDisplay", "MisreadDisplay", "ConfusionMatrixDisplay", "NeighborsCurveDisplay"),
        ),
        "Pictures of a data set": (
            *("SpriteDisplay", "EmbeddingDisplay", "PixelPairsDisplay", "DisputedLabelsDisplay"),
            "NearDuplicatesDisplay",
        ),
        "Comparisons": (
            *("ComparisonDisplay", "compare_classifiers", "Outcome", "best_single_pixels"),
            "PixelPairs",
        ),
    },
    "knnc.datasets": {
        "Data sets": (
            *("load_dataset", "load_digits", "fetch_mnist", "fetch_fashion_mnist"),
            *("fetch_kmnist", "fetch_qmnist", "fetch_emnist", "fetch_usps"),
            *("load_idx_folder", "sample_page", "get_data_home"),
        ),
        "Files of vectors": ("read_idx", "read_vectors", "read_neighbors"),
    },
    "knnc.onnx": {"Models in the ONNX format": ("register_converters",)},
    "knnc.dask": {
        "Rows on a cluster": ("KNeighborsClassifier", "KNeighborsRegressor", "NearestNeighbors"),
    },
}


def ungrouped() -> set[str]:
    """Public classes and functions that are in no group, and grouped ones that are not there."""
    found = set()
    for part, groups in GROUPS.items():
        module = import_module(part)
        public = {name for name in module.__all__ if callable(getattr(module, name))}
        grouped = {name for names in groups.values() for name in names}
        # knnc.inspection has the displays of knnc.plot too.
        found |= {
            f"{part}.{name}"
            for name in public ^ grouped
            if not (part == "knnc.inspection" and name in import_module("knnc.plot").__all__)
        }
    return found


def write_api_pages(folder: Path) -> None:
    """Write a page for each package: its public names by what they are for, and what they do."""
    if found := ungrouped():
        raise ValueError(f"docs/reference.py has to name in one group: {', '.join(sorted(found))}")
    index = ["# API", "", "| | |", "|---|---|"]
    for part, groups in GROUPS.items():
        doc = (import_module(part).__doc__ or "").strip().splitlines()[0]
        index.append(f"| [{part}]({part}.md) | {doc} |")
        lines = [f"# {part}", "", doc, ""]
        for title, names in groups.items():
            lines += [f"## {title}", "", "```{eval-rst}", f".. currentmodule:: {part}", ""]
            lines += [".. autosummary::", "   :toctree: generated", "   :template: name.rst", ""]
            lines += [*(f"   {name}" for name in names), "```", ""]
        _write(folder / f"{part}.md", lines)
    index += ["| [The command line](commands.md) | `knnc COMMAND`, and all options. |", ""]
    index += ["```{toctree}", ":hidden:", "", *GROUPS, "commands", "```", ""]
    _write(folder / "index.md", index)


def write_command_page(page: Path) -> None:
    """Write the page of the command line: what --help says of each command."""
    from typer.main import get_command

    from knnc.cli._app import app

    lines = ["# Command line", "", "`knnc COMMAND --help` says the same.", ""]
    for path, command in _commands("knnc", get_command(app)):
        level = "##" if path.count(" ") < 2 else "###"
        lines += [f"{level} {path}", "", (command.help or "").strip(), ""]
        rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            lines += ["| argument or option | |", "|---|---|", *rows, ""]
        if command.epilog:
            examples = [line.strip() for line in command.epilog.split("\n\n")[1:]]
            lines += ["Examples:", "", *(f"    {line}" for line in examples), ""]
    _write(page, lines)


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, sub in getattr(command, "commands", {}).items():
        yield from _commands(f"{path} {name}", sub)


def _row(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in getattr(parameter, "opts", []))
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or parameter.name.upper()}`"
    elif parameter.metavar and not getattr(parameter, "is_flag", False):
        names += f" {parameter.metavar}"
    shown = getattr(parameter, "show_default", None)
    default = f" Default: {shown}." if isinstance(shown, str) else ""
    if shown is True and parameter.default not in (None, False) and parameter.default is not ...:
        default = f" Default: {getattr(parameter.default, 'value', parameter.default)}."
    said = (getattr(parameter, "help", "") or "").replace("|", "\\|")
    return f"| {names} | {said}{default} |"


def _write(page: Path, lines: list[str]) -> None:
    """Write a page if it is another one: Sphinx then builds only what has changed."""
    page.parent.mkdir(exist_ok=True)
    text = "\n".join(lines)
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")
