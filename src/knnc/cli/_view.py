"""``knnc view``: a data set loaded, what is to be seen computed, the picture saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import typer

from knnc import KNeighborsClassifier, KNeighborsClassifierCV, plot
from knnc.cli._console import error_text, progress_bar, status
from knnc.cli._evaluate import checked_recipe, load_parts
from knnc.cli._output import picture_path, save_picture, say_where
from knnc.plot import require_matplotlib

# The animation: about six seconds at twelve frames a second and more.
_N_FRAMES = 90


class _Data:
    """The parts of a data set, and how its pictures are headed."""

    def __init__(self, dataset: str, data_home: Path | None) -> None:
        self.train, self.test = load_parts(dataset, data_home)
        self.name = Path(dataset).name
        self.names = self.train.target_names
        self.shape = self.train.images.shape[1:]

    def said(self, labels: Any) -> Any:
        """What labels are called."""
        return np.asarray(self.names)[labels]


def _prepared(
    what: str,
    dataset: str,
    out: Path | None,
    data_home: Path | None,
    *,
    recipe: str | None = None,
) -> tuple[_Data, Path]:
    """Refuse what can be refused before any work; then load."""
    require_matplotlib()
    if recipe is not None:
        checked_recipe(recipe)
    path = picture_path(out, what, dataset)
    return _Data(dataset, data_home), path


def _read(data: _Data, recipe: str, limit: int | None) -> tuple[Any, Any, Any, str]:
    """An estimator of the recipe, fitted, the test part, what it reads there, and how well."""
    estimator = checked_recipe(recipe)
    X, y = data.test.data[:limit], data.test.target[:limit]
    with status("Learning"):
        estimator.fit(data.train.data, data.train.target)
    with progress_bar("Reading"):
        y_pred = estimator.predict(X)
    n_wrong = int(np.count_nonzero(y_pred != y))
    said = f"{data.name}, recipe {recipe}: {n_wrong:,} of {len(y):,} test images misread"
    return estimator, (X, y), y_pred, f"{said}, {error_text(n_wrong, len(y))}"


def show_sprite(
    dataset: str, *, rows: int, columns: int, out: Path | None, data_home: Path | None
) -> None:
    """The sheet of the training images."""
    data, path = _prepared("sprite", dataset, out, data_home)
    display = plot.SpriteDisplay.from_rows(
        data.train.images,
        data.train.target,
        target_names=data.names,
        rows_a_class=rows,
        n_columns=columns,
        title=f"{data.name}: the first {rows * columns} training images of each class, of "
        f"{len(data.train.data):,} in all",
    )
    save_picture(display.figure_, path)


def show_read(
    dataset: str, *, images: int, recipe: str, out: Path | None, data_home: Path | None
) -> None:
    """The first test images with what is read."""
    data, path = _prepared("read", dataset, out, data_home, recipe=recipe)
    _, (_, y), y_pred, title = _read(data, recipe, images)
    display = plot.ReadDisplay.from_predictions(
        data.said(y), data.said(y_pred), X=data.test.images, n_images=images, title=title
    )
    save_picture(display.figure_, path)


def show_misread(
    dataset: str,
    *,
    images: int,
    neighbors: int,
    recipe: str,
    limit: int | None,
    out: Path | None,
    data_home: Path | None,
) -> None:
    """Misread test images and their neighbours."""
    data, path = _prepared("misread", dataset, out, data_home, recipe=recipe)
    estimator, (X, y), y_pred, title = _read(data, recipe, limit)
    display = plot.MisreadDisplay.from_estimator(
        estimator,
        X,
        data.said(y),
        X_train=data.train.images,
        y_train=data.said(data.train.target),
        y_pred=data.said(y_pred),
        image_shape=data.shape,
        n_neighbors=neighbors,
        n_images=images,
        title=title,
    )
    save_picture(display.figure_, path)


def show_confusion(
    dataset: str, *, recipe: str, limit: int | None, out: Path | None, data_home: Path | None
) -> None:
    """Which classes are taken for which."""
    data, path = _prepared("confusion", dataset, out, data_home, recipe=recipe)
    _, (_, y), y_pred, title = _read(data, recipe, limit)
    labels = np.unique(np.concatenate([y, y_pred]))
    display = plot.ConfusionMatrixDisplay.from_predictions(
        y, y_pred, display_labels=data.said(labels), cmap="Blues", colorbar=False
    )
    display.ax_.set_title(title.replace("misread, ", "misread\n"), loc="left", fontsize=12)
    save_picture(display.figure_, path)


def show_curve(
    dataset: str,
    *,
    max_k: int,
    cv: int | None,
    n_train: int | None,
    out: Path | None,
    data_home: Path | None,
) -> None:
    """The score of each k."""
    data, path = _prepared("curve", dataset, out, data_home)
    X, y = sampled(data.train, n_train)
    enough = len(X) - (1 if cv is None else -(-len(X) // cv))
    if max_k > enough:
        raise typer.BadParameter(
            f"of {len(X):,} images {enough:,} are left to be neighbours", param_hint="--max-k"
        )
    tuned = KNeighborsClassifierCV(range(1, max_k + 1), cv=cv)
    with progress_bar("Searching"):
        tuned.fit(X, y)
    display = plot.NeighborsCurveDisplay.from_estimator(
        tuned, title=f"{data.name}: {len(X):,} training images, read by one another"
    )
    save_picture(display.figure_, path)


def show_embedding(
    dataset: str,
    *,
    sample: int,
    iterations: int,
    perplexity: float,
    recipe: str | None,
    gif: bool,
    out: Path | None,
    data_home: Path | None,
) -> None:
    """The training images in the plane."""
    data, path = _prepared("embedding", dataset, out, data_home, recipe=recipe)
    X, y = sampled(data.train, sample)
    if perplexity >= len(X):
        raise typer.BadParameter(
            f"is to be less than the number of images, {len(X):,}", param_hint="--perplexity"
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
            display = plot.EmbeddingDisplay.from_rows(X, y, **options)
    else:
        estimator = checked_recipe(recipe)
        if not hasattr(estimator, "steps") and not hasattr(estimator, "kneighbors"):
            raise typer.BadParameter(
                f"recipe {recipe} compares images by no single distance", param_hint="--recipe"
            )
        with status("Learning"):
            estimator.fit(data.train.data, data.train.target)
        with progress_bar("Laying out"):
            display = plot.EmbeddingDisplay.from_estimator(estimator, X, y, **options)
    save_picture(display.figure_, path)
    if gif:
        with status("Drawing"):
            display.save_animation(path.with_suffix(".gif"))
        say_where("GIF", path.with_suffix(".gif"))


def show_pixels(dataset: str, *, out: Path | None, data_home: Path | None) -> None:
    """How well single pixels do."""
    data, path = _prepared("pixels", dataset, out, data_home)
    display = draw_pixels(data.train, data.test)
    display.ax_.set_title(f"{data.name}\n{display.ax_.get_title(loc='left')}", loc="left")
    save_picture(display.figure_, path)


def draw_pixels(train: Any, test: Any, **options: Any) -> Any:
    """The display of single pixels, chosen on the training part and tried on the test part."""
    return plot.PixelPairsDisplay.from_rows(
        train.data,
        train.target,
        X_test=test.data,
        y_test=test.target,
        target_names=train.target_names,
        **options,
    )


def show_disputed(
    dataset: str, *, images: int, neighbors: int, out: Path | None, data_home: Path | None
) -> None:
    """Labels that neighbours dispute."""
    data, path = _prepared("disputed", dataset, out, data_home)
    X, y = data.train.data, data.said(data.train.target)
    with progress_bar("Searching"):
        display = plot.DisputedLabelsDisplay.from_estimator(
            KNeighborsClassifier(neighbors).fit(X, y),
            data.train.images,
            y,
            n_images=images,
            title=f"{data.name}: training images whose label their {neighbors} nearest dispute, "
            "the most doubtful first",
        )
    save_picture(display.figure_, path)


def show_duplicates(
    dataset: str, *, radius: float, pairs: int, out: Path | None, data_home: Path | None
) -> None:
    """Images that are there twice."""
    data, path = _prepared("duplicates", dataset, out, data_home)
    with progress_bar("Searching"):
        display = plot.NearDuplicatesDisplay.from_rows(
            data.train.data,
            data.said(data.train.target),
            radius=radius,
            image_shape=data.shape,
            n_pairs=pairs,
            title=f"{data.name}: pairs of training images at no more than {radius:g}, the nearest "
            "first",
        )
    save_picture(display.figure_, path)


def sampled(part: Any, n: int | None) -> tuple[Any, Any]:
    """Rows and labels of `n` images drawn at random, always the same; of all if there are fewer."""
    if n is None or n >= len(part.data):
        return part.data, part.target
    rows = np.sort(np.random.default_rng(0).choice(len(part.data), n, replace=False))
    return part.data[rows], part.target[rows]
