"""``knnc evaluate``: what is measured, how it is printed, what is refused."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn

import knnc
from knnc.cli._console import error_interval
from knnc.datasets import load_dataset
from knnc.recipes import make_recipe

from .conftest import Program, write_idx

KEYS = [
    "dataset",
    "recipe",
    "n_train",
    "n_test",
    "error_percent",
    "accuracy",
    "fit_seconds",
    "predict_seconds",
    "queries_per_second",
    "n_jobs",
    "engine",
    "versions",
]


def evaluated(program: Program, *args: object) -> dict[str, Any]:
    """The object that ``evaluate ... --json`` prints on the one line of its output."""
    result = program("evaluate", *args, "--json")
    assert (result.code, result.err) == (0, "")
    assert result.out.count("\n") == 1
    assert result.out.endswith("\n")
    record: dict[str, Any] = json.loads(result.out)
    return record


def test_json_has_the_keys_and_they_agree(knnc_here: Program) -> None:
    record = evaluated(knnc_here, "digits", "--threads", 2)
    assert list(record) == KEYS
    train, test = load_dataset("digits")
    y_pred = knnc.KNeighborsClassifier().fit(train.data, train.target).predict(test.data)
    assert record["dataset"] == "digits"
    assert record["recipe"] == "plain"
    assert (record["n_train"], record["n_test"]) == (len(train.data), len(test.data))
    assert record["accuracy"] == pytest.approx(np.mean(y_pred == test.target))
    assert record["error_percent"] == pytest.approx(100 * (1 - record["accuracy"]))
    assert 0.5 < record["accuracy"] < 1
    assert record["fit_seconds"] > 0
    assert record["queries_per_second"] * record["predict_seconds"] == pytest.approx(len(test.data))
    assert (record["n_jobs"], record["engine"]) == (2, "integer")
    assert record["versions"] == {
        "knnc": knnc.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }


@pytest.mark.parametrize(
    ("options", "params"),
    [
        (["-k", 1], {"n_neighbors": 1}),
        (
            ["--n-neighbors", 200, "--weights", "distance"],
            {"n_neighbors": 200, "weights": "distance"},
        ),
        (["-k", 200, "--weights", "uniform"], {"n_neighbors": 200}),
        (["--metric", "manhattan"], {"metric": "manhattan"}),
        (["--metric", "hamming", "-k", 9], {"metric": "hamming", "n_neighbors": 9}),
    ],
)
def test_options_reach_the_estimator(
    knnc_here: Program, options: list[object], params: dict[str, Any]
) -> None:
    record = evaluated(knnc_here, "digits", *options)
    train, test = load_dataset("digits")
    estimator = knnc.KNeighborsClassifier(**params).fit(train.data, train.target)
    assert record["accuracy"] == pytest.approx(estimator.score(test.data, test.target))
    assert record["engine"] == estimator.engine_


def test_the_options_tested_above_make_a_difference() -> None:
    train, test = load_dataset("digits")
    scores = [
        knnc.KNeighborsClassifier(**params)
        .fit(train.data, train.target)
        .score(test.data, test.target)
        for params in (
            {},
            {"n_neighbors": 1},
            {"n_neighbors": 200},
            {"n_neighbors": 200, "weights": "distance"},
            {"metric": "manhattan"},
            {"metric": "hamming", "n_neighbors": 9},
        )
    ]
    assert len(set(scores)) == len(scores)


def test_limit_reads_the_first_images_and_no_more_than_there_are(knnc_here: Program) -> None:
    train, test = load_dataset("digits")
    estimator = knnc.KNeighborsClassifier().fit(train.data, train.target)
    wrong = estimator.predict(test.data) != test.target
    n = int(np.flatnonzero(wrong)[1]) + 1
    record = evaluated(knnc_here, "digits", "--limit", n)
    assert record["n_test"] == n
    assert record["error_percent"] == pytest.approx(100 * 2 / n)
    assert evaluated(knnc_here, "digits", "--limit", 10**6)["n_test"] == len(test.data)


@pytest.mark.parametrize("recipe", ["fast", "accurate", "clothes"])
def test_recipes(knnc_here: Program, recipe: str) -> None:
    record = evaluated(
        knnc_here, "digits", "--recipe", recipe, "--limit", 100, "--threads", 2, "-k", 3
    )
    assert (record["recipe"], record["n_jobs"], record["engine"]) == (recipe, 2, "integer")
    train, test = load_dataset("digits")
    estimator = make_recipe(recipe, n_neighbors=3).fit(train.data, train.target)
    assert record["accuracy"] == estimator.score(test.data[:100], test.target[:100])
    assert record["accuracy"] > 0.9


def test_table_of_a_recipe(knnc_here: Program) -> None:
    result = knnc_here("evaluate", "digits", "--recipe", "accurate", "--limit", 20)
    assert (result.code, result.err) == (0, "")
    assert "accurate: n_neighbors = " in result.out


def test_folder_of_idx_files(knnc_here: Program, idx_folder: Path) -> None:
    record = evaluated(knnc_here, idx_folder)
    assert record["dataset"] == str(idx_folder)
    assert (record["n_train"], record["n_test"]) == (300, 70)
    assert record["accuracy"] == 1.0
    assert record["error_percent"] == 0.0


def test_a_data_set_in_the_data_home(knnc_here: Program, data_home: Path, mnist: object) -> None:
    record = evaluated(knnc_here, "mnist", "--data-home", data_home, "--limit", 100)
    assert (record["n_train"], record["n_test"]) == (60_000, 100)
    assert record["error_percent"] < 10


def test_table_says_the_same_without_escape_codes(knnc_here: Program) -> None:
    record = evaluated(knnc_here, "digits", "-k", 3)
    result = knnc_here("evaluate", "digits", "-k", 3)
    assert (result.code, result.err) == (0, "")
    assert "\x1b" not in result.out
    lines = result.out.splitlines()
    assert all(len(line) <= 80 and line == line.rstrip() for line in lines)
    rows = {line[:9].strip(): line[9:] for line in lines}
    assert list(rows) == ["Data", "Recipe", "Error", "Wrong", "Fit", "Predict", "Ran on"]
    assert "plain: n_neighbors = 3, weights = uniform, metric = euclidean" in rows["Recipe"]
    assert rows["Error"].startswith(f"{record['error_percent']:.2f} %")
    assert "integer engine" in rows["Ran on"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], ["DATASET"]),
        (["mnits"], ["mnits", "digits", "fashion-mnist", "Did you mean 'mnist'?"]),
        (["/no/where"], ["/no/where", "nor a folder"]),
        (["digits", "--recipe", "best"], ["best", "plain", "accurate"]),
        (["digits", "--recipe", "fast", "--metric", "l1"], ["fast", "metric", "n_components"]),
        (["digits", "--weights", "none"], ["uniform", "distance"]),
        (["digits", "--metric", "euclid"], ["euclid", "manhattan", "Did you mean"]),
        (["digits", "--recipe", "acurate"], ["Did you mean 'accurate'?"]),
        (["digits", "-k", "0"], ["-k", "0 is not at least 1"]),
        (["digits", "-k", "two"], ["-k", "'two' is not a whole number"]),
        (["digits", "-k", "5000"], ["5,000", "1,029"]),
        (["digits", "--limit", "0"], ["--limit"]),
        (["digits", "--threads", "0"], ["--threads"]),
        (["digits", "--fast"], ["--fast"]),
    ],
)
def test_wrong_usage_exits_with_2(knnc_here: Program, args: list[str], words: list[str]) -> None:
    result = knnc_here("evaluate", *args)
    assert (result.code, result.out) == (2, "")
    assert "Traceback" not in result.err
    assert "nput should" not in result.err, "these are another library's words"
    said = " ".join(result.err.replace("│", " ").split())
    for word in words:
        assert word in said


def test_bad_data_exits_with_1_and_names_the_file(knnc_here: Program, idx_folder: Path) -> None:
    labels = idx_folder / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-3])
    result = knnc_here("evaluate", idx_folder, "--json")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("knnc: error: ")
    assert str(labels) in result.err
    assert result.err.count("\n") == 1


def test_missing_files_exit_with_1(knnc_here: Program, idx_folder: Path) -> None:
    (idx_folder / "train-images-idx3-ubyte").unlink()
    result = knnc_here("evaluate", idx_folder)
    assert (result.code, result.out) == (1, "")
    assert "train-images" in result.err


def test_debug_keeps_the_traceback(knnc_here: Program, idx_folder: Path) -> None:
    write_idx(idx_folder / "t10k-labels-idx1-ubyte", np.zeros(3, dtype=np.uint8))
    with pytest.raises(ValueError, match="70 images"):
        knnc_here("--debug", "evaluate", idx_folder)


@pytest.mark.parametrize(("n_wrong", "n"), [(0, 10), (10, 10), (295, 10_000), (1, 3)])
def test_error_interval_is_where_the_rate_is_196_deviations_off(n_wrong: int, n: int) -> None:
    rate = n_wrong / n
    for end in error_interval(n_wrong, n):
        p = end / 100
        assert (rate - p) ** 2 == pytest.approx(1.959963984540054**2 * p * (1 - p) / n, abs=1e-12)
    low, high = error_interval(n_wrong, n)
    assert low - 1e-9 <= 100 * rate <= high + 1e-9
    assert high - low > 0.1
