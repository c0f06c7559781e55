"""The map, what is remarkable in it, the neighbours of a point, and its tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from knnc import KNeighborsClassifier, NearestNeighbors
from knnc.datasets import load_dataset
from knnc.inspection import disputed_labels
from knnc.ocr import training_rows
from knnc.web._readers import Readers
from tests.web.conftest import N_SHOWN

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def rows() -> Any:
    """All rows of the data set, and their labels."""
    return training_rows(load_dataset("digits")[0], normalised=False)


def test_points_are_near_to_their_like(ask: Ask, rows: Any) -> None:
    said = ask("GET", "/api/map").json()
    X, y = rows
    assert said["labels"] == y[said["rows"]].tolist()
    points = np.array(said["points"]).reshape(-1, 2)
    assert 0 <= points.min() < points.max() <= 1
    near = KNeighborsClassifier(5).fit(points, said["labels"])
    assert near.score(None, said["labels"]) > 0.9
    images = np.frombuffer(ask("GET", "/api/map/images").content, np.uint8)
    assert np.array_equal(images.reshape(-1, 784), X[said["rows"]])


def test_flags_are_those_of_the_reports_on_all_rows(ask: Ask, rows: Any) -> None:
    X, y = rows
    said = ask("GET", "/api/map").json()
    shown = np.array(said["rows"])
    assert len(shown) == N_SHOWN < len(X)
    classifier = KNeighborsClassifier(5).fit(X, y)
    misread = np.flatnonzero((classifier.predict(None) != y)[shown])
    assert said["flags"]["misread"] == misread.tolist()
    disputed = np.flatnonzero(np.isin(shown, disputed_labels(classifier).index))
    assert said["flags"]["disputed"] == disputed.tolist()
    assert 0 < len(misread) < 40


def test_neighbours_are_those_of_the_original_space(ask: Ask, rows: Any) -> None:
    X, y = rows
    shown = np.array(ask("GET", "/api/map").json()["rows"])
    said = ask("GET", "/api/map/points/17", params={"k": 6}).json()["neighbors"]
    dist, ind = NearestNeighbors(n_neighbors=6).fit(X[shown]).kneighbors()
    assert [each["row"] for each in said] == shown[ind[17]].tolist()
    assert [each["distance"] for each in said] == pytest.approx(dist[17], abs=1e-4)
    assert [each["label"] for each in said] == y[shown[ind[17]]].tolist()


def test_a_selection_as_csv(ask: Ask, rows: Any) -> None:
    response = ask("POST", "/api/map/export/csv", json={"points": [5, 2]})
    lines = list(csv.DictReader(io.StringIO(response.text)))
    chosen = [ask("GET", "/api/map").json()["rows"][point] for point in (2, 5)]
    assert [line["row"] for line in lines] == [str(row) for row in chosen]
    assert [line["label"] for line in lines] == rows[1][chosen].tolist()
    assert set(lines[0]) == {"row", "label", "x", "y", "misread", "disputed", "duplicate"}


def test_a_table_for_embedding_atlas(ask: Ask, rows: Any) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    points = list(range(10, 60))
    chosen = [ask("GET", "/api/map").json()["rows"][point] for point in points]
    response = ask("POST", "/api/map/export/parquet", json={"points": points}, params={"k": 4})
    table = parquet.read_table(io.BytesIO(response.content)).to_pylist()
    dist, ind = NearestNeighbors(n_neighbors=4).fit(rows[0][chosen]).kneighbors()
    assert [line["id"] for line in table] == chosen
    for line, near, apart in zip(table, ind, dist, strict=True):
        assert line["neighbors"]["ids"] == [chosen[i] for i in near]
        assert line["neighbors"]["distances"] == apart.tolist()


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/api/map/points/99999", {}, 404),
        ("GET", "/api/map/points/1", {"params": {"k": 51}}, 422),
        ("POST", "/api/map/export/csv", {"json": {"points": [-1]}}, 422),
        ("POST", "/api/map/export/csv", {"json": {"points": "all"}}, 422),
        ("POST", "/api/map/export/csv", {"content": b"{"}, 422),
        ("POST", "/api/map/export/parquet", {"json": {"points": [1]}}, 422),
        ("POST", "/api/map/export/xls", {"json": {"points": [1]}}, 422),
    ],
)
def test_what_is_wrong_is_said(ask: Ask, method: str, path: str, options: Any, status: int) -> None:
    response = ask(method, path, **options)
    assert response.status_code == status
    assert response.json()["error"].endswith(".")


@pytest.mark.parametrize("says_so", [True, False])
def test_a_selection_that_is_too_large_is_refused(ask: Ask, says_so: bool) -> None:
    parts = [b'{"points": [', *[b"1," * 500 for _ in range(200)], b"1]}"]
    content: Any = b"".join(parts) if says_so else iter(parts)
    response = ask("POST", "/api/map/export/csv", content=content)
    assert response.status_code == 413
    assert response.json()["error"] == "This is larger than 100,000 bytes."


def test_the_map_takes_the_fit_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = []
    fit = Readers._fit

    def counted(self: Readers, data: Any, recipe: str, metric: str) -> Any:
        fitted.append((recipe, metric))
        return fit(self, data, recipe, metric)

    monkeypatch.setattr(Readers, "_fit", counted)
    readers = Readers("digits", "fast", None, 60)
    asked = [("recipe", "plain", "euclidean"), "map", ("recipe", "plain", "euclidean")]
    for order in (asked, asked[1:]):
        made = [readers.get_later(key) for key in order]
        assert all(future.result(60) is not None for future in made)
    readers.close()
    assert fitted == [("fast", "euclidean"), ("plain", "euclidean")]
