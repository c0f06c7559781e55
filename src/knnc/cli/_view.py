"""``knnc view``: a command for each picture of a data set.

Each is a function that draws a data set; :func:`_command` adds what all commands share. A command
imports what is heavy when it runs.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from knnc.cli._base import Command, Group
from knnc.cli._console import (
    error_text,
    load_parts,
    make_estimator,
    progress_bar,
    sampled,
    save_picture,
    say,
    status,
)
from knnc.cli._examples import epilog
from knnc.cli._options import (
    RECIPES,
    DataHome,
    Dataset,
    Limit,
    Out,
    Recipe,
    check_name,
    check_recipe,
    completer,
    neighbors,
    number,
    option,
    picture_path,
)

view = typer.Typer(
    cls=Group,
    epilog=epilog("view"),
    help="Draw a data set, predictions, and the neighbours behind them.",
    no_args_is_help=True,
)

# The animation: about six seconds at twelve frames a second and more.
_N_FRAMES = 90


class _Data:
    """The parts of a data set, and how its pictures are headed."""

    def __init__(self, dataset: str, data_home: Path | None) -> None:
        from knnc.datasets._load import name_of

        self.train, self.test = load_parts(dataset, data_home)
        self.name = name_of(dataset)
        self.names = self.train.target_names
        self.shape = self.train.images.shape[1:]

    def said(self, labels: Any) -> Any:
        """What labels are called."""
        import numpy as np

        return np.asarray(self.names)[labels]

    def read(self, recipe: str, limit: int | None) -> tuple[Any, Any, Any, Any, str]:
        """An estimator of the recipe, fitted; test rows, labels, labels read; how well it reads."""
        estimator = make_estimator(recipe)
        X, y = self.test.data[:limit], self.test.target[:limit]
        with status("Learning"):
            estimator.fit(self.train.data, self.train.target)
        with progress_bar("Predicting"):
            y_pred = estimator.predict(X)
        n_wrong = int((y_pred != y).sum())
        said = f"{self.name}, recipe {recipe}: {n_wrong:,} of {len(y):,} test images misread"
        return estimator, X, y, y_pred, f"{said}, {error_text(n_wrong, len(y))}"


def _command(draw: Callable[..., Any]) -> Callable[..., Any]:
    """Make a command of a function that takes a :class:`_Data` and options, and returns a display.

    The command takes a data set, these options, and where things are. It checks what it can before
    any work, and saves the picture.
    """

    def run(
        dataset: Dataset, *, out: Out = None, data_home: DataHome = None, **options: Any
    ) -> None:
        from knnc.plot._base import require_matplotlib

        require_matplotlib()
        if options.get("recipe") is not None:
            check_recipe(options["recipe"])
        check_name(dataset)
        path = picture_path(out, draw.__name__, dataset)
        display = draw(_Data(dataset, data_home), **options)
        if not len(getattr(display, "images", "some")):
            say("Result", f"{display.nothing} There is no picture.")
            return
        save_picture(display.figure_, path)
        if options.get("gif"):
            with status("Drawing"):
                display.save_animation(path.with_suffix(".gif"))
            say("GIF", path.with_suffix(".gif").absolute())

    data, *where, _ = inspect.signature(run).parameters.values()
    _, *own = inspect.signature(draw).parameters.values()
    parameters = [data, *own, *where]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    name = draw.__name__
    view.command(name, cls=Command, help=draw.__doc__, epilog=epilog(f"view {name}"))(run)
    return draw


@_command
def sprite(
    data: _Data,
    *,
    rows: Annotated[int, number("Rows of images for each class.")] = 3,
    columns: Annotated[int, number("Images in a row.")] = 30,
) -> Any:
    """Draw the training images on one sheet, some rows for each class."""
    from knnc.plot import SpriteDisplay

    return SpriteDisplay.from_rows(
        data.train.images,
        data.train.target,
        target_names=data.names,
        rows_a_class=rows,
        n_columns=columns,
        title=f"{data.name}: the first {rows * columns} training images of each class, of "
        f"{len(data.train.data):,} in all",
    )


@_command
def read(
    data: _Data,
    *,
    images: Annotated[int, number("How many images.")] = 48,
    recipe: Recipe = "plain",
) -> Any:
    """Draw the first test images with their predicted labels."""
    from knnc.plot import ReadDisplay

    _, _, y, y_pred, title = data.read(recipe, images)
    return ReadDisplay.from_predictions(
        data.said(y), data.said(y_pred), X=data.test.images, n_images=images, title=title
    )


@_command
def misread(
    data: _Data,
    *,
    images: Annotated[int, number("How many misread images at most.")] = 10,
    n_neighbors: Annotated[int, neighbors("How many neighbours beside each.")] = 5,
    recipe: Recipe = "plain",
    limit: Limit = None,
) -> Any:
    """Draw misread test images with their nearest neighbours and the distances."""
    from knnc.plot import MisreadDisplay

    estimator, X, y, y_pred, title = data.read(recipe, limit)
    return MisreadDisplay.from_estimator(
        estimator,
        X,
        data.said(y),
        X_train=data.train.images,
        y_train=data.said(data.train.target),
        y_pred=data.said(y_pred),
        image_shape=data.shape,
        n_neighbors=n_neighbors,
        n_images=images,
        title=title,
    )


@_command
def confusion(data: _Data, *, recipe: Recipe = "plain", limit: Limit = None) -> Any:
    """Draw which classes are taken for which."""
    import numpy as np

    from knnc.plot import ConfusionMatrixDisplay

    _, _, y, y_pred, title = data.read(recipe, limit)
    labels = np.unique(np.concatenate([y, y_pred]))
    display = ConfusionMatrixDisplay.from_predictions(y, y_pred, display_labels=data.said(labels))
    display.ax_.set_title(title.replace("misread, ", "misread\n"), loc="left", fontsize=12)
    return display


@_command
def curve(
    data: _Data,
    *,
    max_k: Annotated[int, number("The largest k to try.", least=2, metavar="K")] = 25,
    cv: Annotated[int | None, number("Folds.", least=2, show_default="leave-one-out")] = None,
    train_images: Annotated[
        int | None,
        number("How many training images, drawn at random.", least=2, show_default="all"),
    ] = None,
) -> Any:
    """Draw the accuracy of each number of neighbours on the training images."""
    from knnc.neighbors import KNeighborsClassifierCV
    from knnc.plot import NeighborsCurveDisplay

    X, y = sampled(data.train, train_images)
    enough = len(X) - (1 if cv is None else -(-len(X) // cv))
    if max_k > enough:
        raise typer.BadParameter(
            f"{max_k:,} is too large: of {len(X):,} images, {enough:,} can be neighbours.",
            param_hint="--max-k",
        )
    tuned = KNeighborsClassifierCV(range(1, max_k + 1), cv=cv)
    with progress_bar("Searching"):
        tuned.fit(X, y)
    return NeighborsCurveDisplay.from_estimator(
        tuned, title=f"{data.name}: {len(X):,} training images, read by one another"
    )


@_command
def embedding(
    data: _Data,
    *,
    train_images: Annotated[
        int, number("How many training images, drawn at random.", least=2)
    ] = 3000,
    iterations: Annotated[int, number("Steps of the layout.", least=250)] = 750,
    perplexity: Annotated[
        float, number("About how many neighbours count.", kind=float, metavar="P")
    ] = 30.0,
    recipe: Annotated[
        str | None,
        option(
            f"Compare what a recipe makes of the images: {', '.join(RECIPES)}.",
            metavar="NAME",
            show_default="the pixels",
            autocompletion=completer(RECIPES),
        ),
    ] = None,
    thumbnails: Annotated[
        bool,
        option("Draw the images in their places, as many as there is room for.", "--thumbnails"),
    ] = False,
    gif: Annotated[
        bool, option("Also save an animated GIF of the layout as it forms.", "--gif")
    ] = False,
) -> Any:
    """Draw the training images in the plane, neighbours beside neighbours (t-SNE)."""
    from knnc.plot import EmbeddingDisplay

    X, y = sampled(data.train, train_images)
    pictures = X.reshape(len(X), *data.shape) if thumbnails else None
    if perplexity >= len(X):
        raise typer.BadParameter(
            f"{perplexity:g} has to be less than the number of images, {len(X):,}.",
            param_hint="--perplexity",
        )
    by = "pixels" if recipe is None else f"recipe {recipe}"
    options: dict[str, Any] = {
        "target_names": data.names,
        "n_samples": None,
        "perplexity": perplexity,
        "max_iter": iterations,
        "n_frames": _N_FRAMES if gif else 0,
        "title": f"{data.name}: {len(X):,} training images, beside their neighbours by {by}",
    }
    if recipe is None:
        with progress_bar("Laying out"):
            display = EmbeddingDisplay.from_rows(X, y, **options)
        return display.plot(title=options["title"], thumbnails=pictures)
    estimator = make_estimator(recipe)
    if not hasattr(estimator, "steps") and not hasattr(estimator, "kneighbors"):
        raise typer.BadParameter(
            f"recipe {recipe} has no single distance between images; try plain or fast.",
            param_hint="--recipe",
        )
    with status("Learning"):
        estimator.fit(data.train.data, data.train.target)
    with progress_bar("Laying out"):
        display = EmbeddingDisplay.from_estimator(estimator, X, y, **options)
    return display.plot(title=options["title"], thumbnails=pictures)


@_command
def pixels(data: _Data) -> Any:
    """Draw how well one pixel tells each pair of classes apart."""
    display = draw_pixels(data.train, data.test)
    display.ax_.set_title(f"{data.name}\n{display.ax_.get_title(loc='left')}", loc="left")
    return display


def draw_pixels(train: Any, test: Any, **options: Any) -> Any:
    """The display of single pixels, chosen on the training part and tried on the test part."""
    from knnc.plot import PixelPairsDisplay

    return PixelPairsDisplay.from_rows(
        train.data,
        train.target,
        X_test=test.data,
        y_test=test.target,
        target_names=train.target_names,
        **options,
    )


@_command
def disputed(
    data: _Data,
    *,
    images: Annotated[int, number("How many images at most.")] = 10,
    n_neighbors: Annotated[int, neighbors("How many neighbours.")] = 5,
) -> Any:
    """Draw training images whose label their neighbours dispute, the most doubtful first."""
    from knnc.neighbors import KNeighborsClassifier
    from knnc.plot import DisputedLabelsDisplay

    X, y = data.train.data, data.said(data.train.target)
    with progress_bar("Searching"):
        return DisputedLabelsDisplay.from_estimator(
            KNeighborsClassifier(n_neighbors).fit(X, y),
            data.train.images,
            y,
            n_images=images,
            title=f"{data.name}: training images whose label their {n_neighbors} nearest dispute, "
            "the most doubtful first",
        )


@_command
def duplicates(
    data: _Data,
    *,
    radius: Annotated[
        float, number("The largest distance of a pair.", least=0, kind=float, metavar="R")
    ] = 0.0,
    pairs: Annotated[int, number("How many pairs at most.")] = 16,
) -> Any:
    """Draw pairs of training images that are equal, or nearly so."""
    from knnc.plot import NearDuplicatesDisplay

    with progress_bar("Searching"):
        return NearDuplicatesDisplay.from_rows(
            data.train.data,
            data.said(data.train.target),
            radius=radius,
            image_shape=data.shape,
            n_pairs=pairs,
            title=f"{data.name}: pairs of training images at no more than {radius:g}, the nearest "
            "first",
        )
