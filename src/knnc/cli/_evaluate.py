"""``knnc evaluate``: fits on the training images of a data set, classifies the test images."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from time import perf_counter
from typing import Annotated, Any

import typer

from knnc._version import __version__
from knnc.cli._console import (
    error_text,
    load_parts,
    make_estimator,
    print_json,
    progress_bar,
    say,
    status,
)
from knnc.cli._options import (
    METRICS,
    DataHome,
    Dataset,
    Json,
    Limit,
    Recipe,
    Threads,
    choice,
    neighbors,
)

_RECIPES = "the recipe's"  # shown as the default of options
_WEIGHTS = ("uniform", "distance")


def evaluate(
    dataset: Dataset,
    n_neighbors: Annotated[
        int | None, neighbors("How many neighbours vote.", show_default=_RECIPES)
    ] = None,
    weights: Annotated[
        str | None,
        choice(
            "How much a vote counts: uniform or distance.",
            "--weights",
            among=_WEIGHTS,
            show_default=_RECIPES,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        choice(
            f"The distance, as scikit-learn calls it: {', '.join(METRICS)}.",
            "--metric",
            among=METRICS,
            show_default=_RECIPES,
        ),
    ] = None,
    recipe: Recipe = "plain",
    threads: Threads = None,
    limit: Limit = None,
    data_home: DataHome = None,
    as_json: Json = False,
) -> None:
    """Classify the test images of a data set: error, time, speed."""
    given = {
        "n_neighbors": n_neighbors,
        "weights": weights,
        "metric": metric,
        "n_jobs": threads,
    }
    params = {name: value for name, value in given.items() if value is not None}
    estimator = make_estimator(recipe, **params)
    train, test = load_parts(dataset, data_home)
    if n_neighbors is not None and n_neighbors > len(train.data):
        raise typer.BadParameter(
            f"{n_neighbors:,} is more than the {len(train.data):,} training images.",
            param_hint="--neighbors",
        )
    X, y = test.data[:limit], test.target[:limit]
    record, n_wrong = measure(estimator, train.data, train.target, X, y)
    record = {"dataset": dataset, "recipe": recipe} | record
    if as_json:
        print_json(record)
    else:
        _print_table(record, n_wrong, estimator, shape=test.images.shape[1:])


def measure(estimator: Any, X: Any, y: Any, X_test: Any, y_test: Any) -> tuple[dict[str, Any], int]:
    """Fit and predict; measure error and speed.

    Returns
    -------
    record : dict
        What ``--json`` prints, without the names of the data set and the recipe.
    n_wrong : int
        How many test images were misread.
    """
    from knnc.engine.system.threads import effective_n_threads

    start = perf_counter()
    with status("Learning"):
        estimator.fit(X, y)
    fitted = perf_counter()
    with progress_bar("Predicting"):
        y_pred = estimator.predict(X_test)
    done = perf_counter()
    n_wrong = int((y_pred != y_test).sum())
    return {
        "n_train": len(X),
        "n_test": len(X_test),
        "error_percent": 100 * n_wrong / len(y_test),
        "accuracy": (len(y_test) - n_wrong) / len(y_test),
        "fit_seconds": fitted - start,
        "predict_seconds": done - fitted,
        "queries_per_second": len(X_test) / (done - fitted),
        "n_jobs": effective_n_threads(_voter(estimator).n_jobs),
        "engine": _voter(estimator).engine_,
        "versions": {
            "knnc": __version__,
            "python": platform.python_version(),
            "numpy": version("numpy"),
            "scikit-learn": version("scikit-learn"),
        },
    }, n_wrong


def _voter(estimator: Any) -> Any:
    """The classifier at the end of a pipeline; the first of a voting classifier."""
    if hasattr(estimator, "steps"):
        return _voter(estimator.steps[-1][1])
    if hasattr(estimator, "estimators_"):
        return _voter(estimator.estimators_[0])
    return estimator


def _print_table(
    record: Mapping[str, Any], n_wrong: int, estimator: Any, *, shape: tuple[int, ...]
) -> None:
    last = _voter(estimator)
    settings = ", ".join(
        f"{name} = {getattr(last, name)}"
        for name in ("n_neighbors", "weights", "metric", "distance")
        if hasattr(last, name)
    )
    size = " x ".join(map(str, shape))
    rows = {
        "Data": f"{record['dataset']}: {record['n_train']:,} training images, "
        f"{record['n_test']:,} test images, {size} pixels",
        "Recipe": f"{record['recipe']}: {settings}",
        "Error": error_text(n_wrong, record["n_test"]),
        "Wrong": f"{n_wrong:,} of {record['n_test']:,}",
        "Fit": f"{record['fit_seconds']:.3g} s",
        "Predict": f"{record['predict_seconds']:.3g} s, "
        f"{record['queries_per_second']:,.0f} images a second",
        "Ran on": f"the {record['engine']} engine, threads: {record['n_jobs']}",
    }
    for name, value in rows.items():
        say(name, value)
