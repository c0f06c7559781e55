"""``knnc read``: the text on a scan or a photograph."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from knnc.cli._console import messages, progress_bar, say_error, status
from knnc.cli._options import (
    DATASETS,
    RECIPES,
    DataHome,
    check_input,
    check_name,
    check_output,
    check_recipe,
    completer,
    meant,
    number,
    option,
)

if TYPE_CHECKING:
    from knnc.ocr import Page

# What is read with when nothing is said: the better recipe of those there are.
_PREFERRED = ("fast", "plain")
# What --annotate can write.
_ANNOTATED = (".png", ".jpg", ".jpeg", ".pdf")


def read(
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="IMAGE...",
            help="Scans or photographs: PNG, JPEG, TIFF, BMP, GIF, WebP or PDF; folders of them; "
            "- for the standard input.",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[
        bool, option("Read the sample page that comes with knnc.", "--sample")
    ] = False,
    page: Annotated[int, number("Which page of a PDF or a TIFF.")] = 1,
    all_pages: Annotated[bool, option("Every page of a PDF or a TIFF.", "--all-pages")] = False,
    train: Annotated[
        str | None,
        option(
            f"What to learn from: {', '.join(DATASETS)}, or a folder with four IDX files.",
            metavar="DATASET",
            show_default="mnist if it is there, else digits",
            autocompletion=completer(DATASETS),
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        option(
            f"The recipe: {', '.join(RECIPES)}.",
            metavar="NAME",
            show_default="fast if there is one, else plain",
            autocompletion=completer(RECIPES),
        ),
    ] = None,
    min_confidence: Annotated[
        float,
        number(
            'Print "?" for a character with less confidence than P.',
            least=0,
            most=1,
            kind=float,
            metavar="P",
        ),
    ] = 0.5,
    whitelist: Annotated[
        str | None, option("Read these characters only.", metavar="CHARACTERS")
    ] = None,
    region: Annotated[
        str | None,
        option("Read only this part of the image, in pixels.", metavar="X0,Y0,X1,Y1"),
    ] = None,
    transposed: Annotated[
        bool, option("The training images are stored by column, as EMNIST's are.", "--transposed")
    ] = False,
    data_home: DataHome = None,
    kind: Annotated[
        str,
        option("How to print it: text, json, tsv, hocr or alto.", "--format", metavar="KIND"),
    ] = "text",
    as_json: Annotated[
        bool, option("Print a line of JSON for each page: the same as --format json.", "--json")
    ] = False,
    annotated: Annotated[
        Path | None,
        option(
            f"Save a picture of the page with what was read: a file that ends in "
            f"{', '.join(_ANNOTATED)}.",
            "--annotate",
            metavar="OUT",
            dir_okay=False,
        ),
    ] = None,
    searchable: Annotated[
        Path | None,
        option(
            "Save the pages as a PDF with their text in an invisible layer, to search and to copy.",
            "--pdf",
            metavar="OUT",
            dir_okay=False,
        ),
    ] = None,
    no_cache: Annotated[
        bool, option("Learn anew, and do not save what is learnt.", "--no-cache")
    ] = False,
) -> None:
    """Read the handwriting on images, line by line.

    The exit code is 3 if nothing on any page looks like writing.
    """
    from knnc.datasets import sample_page
    from knnc.ocr._extra import require

    if bool(images) == sample:
        raise typer.BadParameter("name an image, or pass --sample.", param_hint="IMAGE")
    if annotated is not None:
        check_output(annotated, _ANNOTATED, "--annotate")
    if searchable is not None:
        check_output(searchable, (".pdf",), "--pdf")
        require("pypdfium2", "pdf")
    images = images or [sample_page()]
    if images.count(Path("-")) > 1:
        raise typer.BadParameter("- can be read once only.", param_hint="IMAGE")
    for image in images:
        if str(image) != "-" and not image.is_dir():
            check_input(image, "IMAGE")
    for module in ("PIL.Image", "skimage.measure"):
        require(module)
    from knnc.ocr import FORMATS, annotate, formatted, save_pdf
    from knnc.ocr._pdf import DOTS_AN_INCH
    from knnc.recipes import RECIPES

    kind = "json" if as_json else kind
    if kind not in FORMATS:
        raise typer.BadParameter(
            f"{kind!r} is none of {', '.join(FORMATS)}.{meant(kind, FORMATS)}",
            param_hint="--format",
        )
    box = None if region is None else _box_of(region)
    if recipe is None:
        recipe = next(name for name in _PREFERRED if name in RECIPES)
    else:
        check_recipe(recipe)
    with TemporaryDirectory() as folder:
        wanted = _pages_of(images, page, all_pages, Path(folder))
        if annotated is not None and len(wanted) != 1:
            raise typer.BadParameter(
                f"draws on one page, and there are {len(wanted)}", param_hint="--annotate"
            )
        for out, hint in ((annotated, "--annotate"), (searchable, "--pdf")):
            if (
                out is not None
                and out.exists()
                and any(out.samefile(path) for path, _, _ in wanted)
            ):
                raise typer.BadParameter(
                    f"{out} is the image to read; name another file.", param_hint=hint
                )
        estimator = _recognizer(
            recipe, train, data_home, transposed=transposed, use_cache=not no_cache
        )
        options = {"min_confidence": min_confidence, "whitelist": whitelist, "region": box}
        found = _Found()
        with progress_bar("Reading", "hundredths of a page"):
            for piece in formatted(found.read(wanted, estimator, options), kind):
                sys.stdout.write(piece)
        if annotated is not None:
            (path, _, number_), (last,) = wanted[0], found.pages
            annotate(path, last, page_number=number_).save(annotated, resolution=DOTS_AN_INCH)
        if searchable is not None:
            save_pdf(
                searchable,
                [(path, n, page) for (path, _, n), page in zip(wanted, found.pages, strict=True)],
            )
    if not any(done.glyphs for done in found.pages):
        raise typer.Exit(_NOTHING)


# The exit code when nothing on any page looks like writing.
_NOTHING = 3

# A page that is to be read: its file, what that is called, its number.
_Wanted = tuple[Path, str, int]


def _box_of(region: str) -> tuple[int, int, int, int]:
    values = region.split(",")
    if len(values) != 4 or not all(value.strip().isdecimal() for value in values):
        raise typer.BadParameter(
            f"{region!r} is not four whole numbers x0,y0,x1,y1", param_hint="--region"
        )
    x0, y0, x1, y1 = map(int, values)
    if not (x0 < x1 and y0 < y1):
        raise typer.BadParameter("x0 < x1 and y0 < y1 are wanted", param_hint="--region")
    return x0, y0, x1, y1


def _pages_of(images: list[Path], page: int, all_pages: bool, folder: Path) -> list[_Wanted]:
    """The pages that are asked for, each checked before the time that it takes to learn."""
    from knnc.ocr._load import ENDINGS, check_file, count_pages

    files: list[tuple[Path, str]] = []
    for image in images:
        if str(image) == "-":
            path = folder / "stdin"
            path.write_bytes(sys.stdin.buffer.read())
            files.append((path, "-"))
        elif image.is_dir():
            inside = sorted(p for p in image.iterdir() if p.suffix.lower() in ENDINGS)
            if not inside:
                raise ValueError(f"{image}: no images in this folder, none ends in .png, .jpg...")
            files += [(path, str(path)) for path in inside]
        else:
            files.append((image, str(image)))
    wanted = []
    for path, name in files:
        if all_pages:
            wanted += [(path, name, n) for n in range(1, 1 + count_pages(path))]
        else:
            check_file(path, page)
            wanted.append((path, name, page))
    return wanted


class _Found:
    """The pages as they are read, and what is said of them on standard error."""

    def __init__(self) -> None:
        self.pages: list[Page] = []

    def read(
        self, wanted: list[_Wanted], estimator: Any, options: dict[str, Any]
    ) -> Iterator[tuple[str, int, Page]]:
        from knnc.engine.system.progress import current, progress, shifted
        from knnc.ocr import read_page
        from knnc.ocr._steps import WHOLE

        outer = current()
        for index, (path, name, n) in enumerate(wanted):
            with progress(shifted(outer, WHOLE * index, WHOLE * len(wanted))):
                page = read_page(path, estimator, page_number=n, **options)
            about = "this image" if len(wanted) == 1 else f"{name}, page {n}"
            if page.too_dense:
                _say(f"there is more on {about} than can be writing: dots, a net or noise")
            elif not page.glyphs:
                _say(f"there is nothing that looks like writing on {about}")
            elif page.unlike:
                _say(
                    f"what is on {about} does not look like what this was trained on: "
                    'most characters are "?"; --train names other training images'
                )
            self.pages.append(page)
            yield name, n, page


def _say(message: str) -> None:
    print(f"knnc: {message}", file=sys.stderr)


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
        if train in ("digits", "printed"):
            from knnc.datasets import load_digits
            from knnc.datasets._printed import printed_digits

            # There is nothing to hold back.
            part = load_digits() if train == "digits" else printed_digits()
        return train, *training_rows(part, normalised=train == "mnist", transposed=transposed)
