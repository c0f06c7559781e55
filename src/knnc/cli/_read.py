"""``knnc read``: the text on a scan or a photograph."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from knnc.cli._console import messages, print_json, progress_bar, say_error, status
from knnc.cli._options import (
    RECIPES,
    DataHome,
    check_input,
    check_name,
    check_recipe,
    completer,
    number,
    option,
)

# What is read with when nothing is said: the better recipe of those there are.
_PREFERRED = ("fast", "plain")


def read(
    image: Annotated[
        Path | None,
        typer.Argument(
            metavar="IMAGE",
            help="A scan or a photograph: PNG, JPEG, TIFF, BMP, GIF, WebP or PDF.",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[
        bool, option("Read the sample page that comes with knnc.", "--sample")
    ] = False,
    page: Annotated[int, number("Which page of a PDF or a TIFF.")] = 1,
    train: Annotated[
        str | None,
        option(
            "What to learn from: digits, mnist, or a folder with four IDX files.",
            metavar="DATASET",
            show_default="mnist if it is there, else digits",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        option(
            f"How to read: {', '.join(RECIPES)}.",
            metavar="NAME",
            show_default="fast if there is one, else plain",
            autocompletion=completer(RECIPES),
        ),
    ] = None,
    min_confidence: Annotated[
        float | None,
        number(
            'Print "?" for a character less probable than P.',
            least=0,
            most=1,
            kind=float,
            metavar="P",
        ),
    ] = None,
    transposed: Annotated[
        bool, option("The training images are stored by column, as EMNIST's are.", "--transposed")
    ] = False,
    data_home: DataHome = None,
    as_json: Annotated[
        bool, option("Print one JSON object on one line instead of text.", "--json")
    ] = False,
    annotated: Annotated[
        Path | None,
        option(
            "Draw what was read on the image, and save it here.",
            "--annotate",
            metavar="OUT.png",
            dir_okay=False,
        ),
    ] = None,
    no_cache: Annotated[
        bool, option("Learn anew, and do not keep what is learnt for the next time.", "--no-cache")
    ] = False,
) -> None:
    """Read the handwriting on an image, line by line."""
    from knnc.datasets import sample_page
    from knnc.ocr._extra import require

    if (image is None) == (not sample):
        raise typer.BadParameter("name one image, or pass --sample.", param_hint="IMAGE")
    image = image or sample_page()
    check_input(image, "IMAGE")
    for module in ("PIL.Image", "skimage.measure"):
        require(module)
    from knnc.ocr import annotate, read_page
    from knnc.ocr._load import check_file
    from knnc.recipes import RECIPES

    if recipe is None:
        recipe = next(name for name in _PREFERRED if name in RECIPES)
    else:
        check_recipe(recipe)
    check_file(image, page)  # before the time that it takes to learn
    estimator = _recognizer(recipe, train, data_home, transposed=transposed, use_cache=not no_cache)
    with progress_bar("Reading"):
        found = read_page(image, estimator, min_confidence=min_confidence, page_number=page)
    if not found.glyphs:
        print("knnc: there is nothing that looks like writing on this image", file=sys.stderr)
    if annotated is not None:
        annotate(image, found, page_number=page).save(annotated, "PNG")
    if as_json:
        glyphs = [
            {
                "box": list(glyph.box),
                "label": glyph.label,
                "probability": glyph.probability,
                "line": glyph.line,
            }
            for glyph in found.glyphs
        ]
        print_json({"text": found.text, "glyphs": glyphs})
    elif found.glyphs:
        sys.stdout.write(found.text + "\n")


def _recognizer(
    recipe: str, train: str | None, data_home: Path | None, *, transposed: bool, use_cache: bool
) -> Any:
    """The fitted recipe: from the cache, or fitted now."""
    from knnc.persistence.cache import CacheFile
    from knnc.recipes import make_recipe

    def cached(name: str) -> CacheFile:
        return CacheFile(recipe, name, data_home, transposed=transposed)

    if train is not None:
        check_name(train, hint="--train")
    wanted = train or "mnist"
    if use_cache and (estimator := cached(wanted).load()) is not None:
        return estimator
    name, rows, labels = _training(train, data_home, transposed=transposed)
    if use_cache and name != wanted and (estimator := cached(name).load()) is not None:
        return estimator
    estimator = make_recipe(recipe)
    with status("Learning"):
        estimator.fit(rows, labels)
    if use_cache:
        try:
            cached(name).store(estimator)  # its name is of now: the fit may have downloaded files
        except OSError as error:
            say_error(f"the fitted recipe cannot be kept: {error}; --no-cache does not try")
    return estimator


def _training(
    train: str | None, data_home: Path | None, *, transposed: bool
) -> tuple[str, Any, Any]:
    """Name, rows and labels of the data set asked for, or of the best that is at hand."""
    from knnc.datasets import load_dataset
    from knnc.ocr import training_rows

    if train is None:
        try:
            part, _ = load_dataset("mnist", data_home=data_home, download_if_missing=False)
            return "mnist", *training_rows(part, normalised=True)
        except OSError as error:
            if error.errno is not None:  # the system's: the files are there
                raise
            train = "digits"
            print(
                "knnc: MNIST is not there, so this is read with the 1,797 small digits of "
                "scikit-learn, which is less exact; --train mnist downloads it",
                file=sys.stderr,
            )
    with messages(), status(f"Reading {train}"):
        part, _ = load_dataset(train, data_home=data_home)
        if train == "digits":
            from knnc.datasets import load_digits

            part = load_digits()  # there is nothing to hold back
        return train, *training_rows(part, normalised=train == "mnist", transposed=transposed)
