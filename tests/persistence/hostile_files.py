"""Files made up to mislead: ``python -m tests.persistence.hostile_files FUNCTION FOLDER SEED N``.

In a process of its own: a search that reads memory of others would end it. `.ci/sanitize` runs
thousands of them under the sanitizers, which also see a read that does no visible harm.
"""

from __future__ import annotations

import json
import struct
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import knnc
from knnc.recipes import make_recipe

Report = dict[str, Any]
ODD_NUMBERS = (-1, 0, 1, 2, 7, 255, 2**15, 2**31 - 1, 2**31, 2**36, 2**62, 2**63, 2**64, 10**30)
ODD_VALUES = (
    None,
    True,
    "",
    "x",
    [],
    {},
    1.5,
    {"float": "nan"},
    {"float": "-0x1p-1000"},
    {"list": []},
)


# What arrays are filled with: whatever wraps, and the numbers that are none.
ODD_INTEGERS = (-(2**63), -(2**31), -(2**30), -1, 0, 1, 2**30, 2**31 - 1, 2**62, 2**63 - 1)
ODD_FLOATS = (np.nan, np.inf, -np.inf, -1e308, -1.0, 0.0, 1e-308, 1e308)


def _files(folder: Path) -> list[bytes]:
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 256, (9, 37))
    X = (centres[rng.integers(0, 9, 700)] + rng.integers(-9, 9, (700, 37))).clip(0, 255)
    X = X.astype(np.uint8)
    X[:, 5:9] = 3
    y = np.arange(700) % 5
    wide = rng.integers(0, 256, (20, 33_000), np.uint8)
    made = [
        knnc.KNeighborsClassifier(3, algorithm="pruned").fit(X, np.array(list("abcde"))[y]),
        knnc.KNeighborsRegressor(3, algorithm="pruned", metric="manhattan").fit(X / 255, y / 3),
        knnc.RadiusNeighborsClassifier(50.0, outlier_label=9).fit(X, np.c_[y, y]),
        knnc.KNeighborsClassifier(3, algorithm="pruned").fit(X / 7, y),
        knnc.NearestNeighbors(algorithm="pruned", metric="cosine").fit((X / 7).astype("f4")),
        knnc.RadiusNeighborsRegressor(50.0, metric="manhattan").fit(X / 7, y),
        knnc.NearestNeighbors(n_neighbors=3).fit(wide),
        knnc.NearestNeighbors(n_neighbors=3, metric="hamming").fit(wide),
        knnc.NearestNeighbors(n_neighbors=3, algorithm="brute").fit(X[:201]),
        *(
            knnc.KNeighborsRegressor(3, algorithm="brute", metric=metric).fit(X[:201], y[:201])
            for metric in ("manhattan", "chebyshev", "hamming")
        ),
        make_recipe("accurate", n_candidates=9).fit(X[:200, :36], y[:200]),
        make_recipe("clothes", n_candidates=30).fit(X[:200, :36], y[:200]),
    ]
    files = []
    for estimator in made:
        knnc.save(estimator, folder / "file")
        files.append((folder / "file").read_bytes())
    return files


def sealed(arrays: bytes, text: bytes) -> bytes:
    """A file whose checksums are right; the first 64 bytes of `arrays` are replaced."""
    size = len(arrays) + len(text)
    start = struct.pack(
        "<8sIIQQI", b"\x89KNNC\r\n\x1a", 1, len(text), size, len(arrays), zlib.crc32(text)
    )
    head = (start + struct.pack("<I", zlib.crc32(start))).ljust(64, b"\0")
    return head + arrays[64:] + text


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    found = []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        found.append((value, key))
        if isinstance(inner, (dict, list)):
            found += _places(inner)
    return found


def _odd(values: bytes, dtype: np.dtype[Any], rng: np.random.Generator) -> bytes:
    """Some or all numbers of an array replaced by odd ones, those that pad its end mostly not."""
    if dtype.kind not in "if":
        return values
    array = np.frombuffer(values, dtype).copy()
    if dtype.kind == "f":
        odd = np.array(ODD_FLOATS).astype(dtype)
    else:
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
        odd = np.array([n for n in ODD_INTEGERS if least <= n <= most], dtype)
    last = len(array) if rng.random() < 0.3 else max(1, len(array) - 32)
    chosen = rng.random(last) < rng.choice([0.05, 0.5, 1])
    array[:last][chosen] = rng.choice(odd, np.count_nonzero(chosen))
    return array.tobytes()


def _mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """A file with right checksums and a few wrong values."""
    length, offset = struct.unpack_from("<I", data, 12)[0], struct.unpack_from("<Q", data, 24)[0]
    arrays, contents = bytearray(data[:offset]), json.loads(data[offset : offset + length])
    for _ in range(rng.integers(1, 4)):
        if not isinstance(contents["arrays"], list) or not contents["arrays"]:
            break
        if rng.random() < 0.5:
            entry = contents["arrays"][rng.integers(len(contents["arrays"]))]
            if not isinstance(entry, dict) or not isinstance(entry.get("shape"), list):
                continue
            try:
                n_bytes = int(np.prod(entry["shape"])) * np.dtype(entry["dtype"]).itemsize
            except (KeyError, TypeError, ValueError, OverflowError):
                continue
            start = entry.get("offset")
            if type(start) is not int or not 0 < n_bytes <= len(arrays) - start:
                continue
            way = rng.random()
            if way < 0.2:
                arrays[start : start + n_bytes] = rng.integers(0, 256, n_bytes, np.uint8).tobytes()
            elif way < 0.6:
                arrays[start : start + n_bytes] = _odd(
                    bytes(arrays[start : start + n_bytes]), np.dtype(entry["dtype"]), rng
                )
            else:
                at = start + int(rng.choice([0, n_bytes - 1, rng.integers(n_bytes)]))
                arrays[at] = rng.integers(256)
            entry["crc32"] = zlib.crc32(arrays[start : start + n_bytes])
        else:
            places = _places(contents)
            container, key = places[rng.integers(len(places))]
            odd = ODD_NUMBERS if rng.random() < 0.6 else ODD_VALUES
            container[key] = odd[rng.integers(len(odd))]
    return sealed(bytes(arrays), json.dumps(contents).encode())


def _damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """A file cut off, made longer, or with some bytes changed."""
    way = rng.integers(4)
    if way == 0:
        return data[: rng.integers(len(data))]
    if way == 1:
        return data + bytes(rng.integers(1, 100))
    changed = bytearray(data)
    first = 0 if way == 2 else max(0, len(data) - 3000)
    for at in rng.integers(first, len(data), rng.integers(1, 4)):
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


def _use(estimator: Any) -> None:
    d = estimator.n_features_in_
    for Q in (np.zeros((1, d), np.uint8), np.full((50, d), 255, np.uint8), None):
        for method in ("kneighbors", "predict", "predict_proba", "radius_neighbors"):
            call = getattr(estimator, method, None)
            if call is not None:
                call(Q)


def _run(make: Callable[..., bytes], folder: str, seed: str, n: str, verify: bool) -> Report:
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(int(seed))
    files = _files(Path(folder))
    ends: Counter[str] = Counter()
    for i in range(int(n)):
        path = Path(folder, f"odd{i}")  # Windows lets no file be replaced that is mapped
        path.write_bytes(make(files[rng.integers(len(files))], rng))
        try:
            estimator = knnc.load(path, mmap=bool(rng.integers(2)), verify=verify)
        except ValueError as error:
            ends["refused" if str(path) in str(error) else f"refused: {error}"] += 1
            continue
        try:
            _use(estimator)
            ends["used"] += 1
        except Exception as error:
            ends[f"use: {type(error).__name__}"] += 1
    return dict(ends)


def hostile(folder: str, seed: str, n: str) -> Report:
    """Right checksums, wrong contents."""
    return _run(_mutated, folder, seed, n, False)


def damaged(folder: str, seed: str, n: str) -> Report:
    """Every change of a file is found when all of it is verified."""
    return _run(_damaged, folder, seed, n, True)


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
