"""Fixtures with real data, the hypothesis profiles and the line that says which kernels run."""

from __future__ import annotations

import gzip
import os
import signal
import tempfile
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import numpy as np
import numpy.typing as npt
import pytest

# "ci" is what a plain run uses: the same examples every time, nothing kept on disk. A hunt for
# new examples: pytest --hypothesis-profile=hunt
hypothesis.settings.register_profile(
    "ci", derandomize=True, database=None, deadline=None, max_examples=60, print_blob=True
)
hypothesis.settings.register_profile(
    "hunt", database=None, deadline=None, max_examples=3000, print_blob=True
)
hypothesis.settings.load_profile("ci")


# Files that take long for the number of their tests, longest first. They are begun first: with a
# file to a core, a long one at the end keeps one core busy and leaves the others idle.
LONG = (
    "cli/test_streams.py",
    "engine/test_emulated.py",
    "engine/test_interrupt.py",
    "neighbors/test_sklearn_suite.py",
    "engine/test_memory.py",
    "web/test_browser.py",
    "process/test_process.py",
    "test_dask_cluster.py",
    "ocr/test_forms.py",
    "engine/test_kernels.py",
    "engine/test_floats.py",
    "engine/test_prune.py",
)

_cache = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Hear SIGINT, here and in child processes, where a shell started this to ignore it.

    What ``knnc read`` keeps goes to a folder that is gone with the tests.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[_cache] = tempfile.TemporaryDirectory(
        prefix="knnc-cache-",
        ignore_cleanup_errors=True,  # Windows removes no file that is mapped
    )
    os.environ["KNNC_CACHE_HOME"] = config.stash[_cache].name
    if hasattr(config.option, "loadscopereorder"):  # xdist would begin with the most tests
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take long first."""
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_cache].cleanup()


def pytest_report_header() -> list[str]:
    """Say what this run can prove: a kernel that the CPU lacks is compiled but not tested."""
    try:
        from knnc.engine.dispatch import all_kernels, available_kernels
        from knnc.runtime import runtime_info
    except ImportError as error:  # the tests that need knnc then fail by themselves
        return [f"knnc: cannot be imported: {error}"]
    able = available_kernels()
    unable = [name for name in all_kernels() if name not in able]
    return [
        f"knnc CPU features: {_listed(runtime_info()['cpu_features'])}",
        f"knnc kernels tested: {_listed(able)}",
        f"knnc kernels NOT tested, they cannot run on this CPU: {_listed(unable)}",
    ]


def _listed(names: object) -> str:
    if isinstance(names, dict):
        names = [name for name, present in names.items() if present]
    return ", ".join(map(str, names)) if isinstance(names, (list, tuple, set)) and names else "none"


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder with real data (``KNNC_DATA_HOME``); a test that needs it skips without it."""
    home = os.environ.get("KNNC_DATA_HOME")
    if not home:
        pytest.skip("needs real data: KNNC_DATA_HOME is not set")
    path = Path(home).expanduser().resolve()
    if not path.is_dir():
        pytest.skip(f"needs real data: KNNC_DATA_HOME={home} is not a folder")
    return path


def _file(home: Path, name: str) -> Path:
    path = home / name
    if not path.exists():
        pytest.skip(f"needs real data: there is no {name} in KNNC_DATA_HOME")
    return path


def _read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """A few lines of IDX, so that these fixtures do not lean on the reader under test."""
    payload = gzip.decompress(path.read_bytes())
    ndim = payload[3]
    shape = np.frombuffer(payload, dtype=">u4", count=ndim, offset=4).astype(int)
    return np.frombuffer(payload, dtype=np.uint8, offset=4 + 4 * ndim).reshape(shape)


def _idx_set(home: Path, folder: str) -> SimpleNamespace:
    """train (60,000, 784), test (10,000, 784), train_labels and test_labels, all uint8."""
    images = [
        _read_idx(_file(home, f"{folder}/{part}-images-idx3-ubyte.gz")).reshape(-1, 784)
        for part in ("train", "t10k")
    ]
    labels = [
        _read_idx(_file(home, f"{folder}/{part}-labels-idx1-ubyte.gz"))
        for part in ("train", "t10k")
    ]
    return SimpleNamespace(
        train=images[0], test=images[1], train_labels=labels[0], test_labels=labels[1]
    )


@pytest.fixture(scope="session")
def mnist(data_home: Path) -> SimpleNamespace:
    """MNIST: train, test, train_labels, test_labels."""
    return _idx_set(data_home, "mnist")


@pytest.fixture(scope="session")
def fashion_mnist(data_home: Path) -> SimpleNamespace:
    """Fashion-MNIST: train, test, train_labels, test_labels."""
    return _idx_set(data_home, "fashion-mnist")


def _npz(path: Path) -> SimpleNamespace:
    with np.load(path) as arrays:
        return SimpleNamespace(X=arrays["X"], y=arrays["y"])


@pytest.fixture(scope="session")
def letters(data_home: Path) -> SimpleNamespace:
    """UCI letters, X (20000, 16) with values 0..15: full of duplicates and ties; y."""
    return _npz(_file(data_home, "letter_recognition.npz"))


@pytest.fixture(scope="session")
def opencv_digits(data_home: Path) -> SimpleNamespace:
    """OpenCV's handwritten digits, X (5000, 20, 20); y."""
    return _npz(_file(data_home, "opencv_digits.npz"))


@pytest.fixture(scope="session")
def sift_photos(data_home: Path) -> SimpleNamespace:
    """SIFT descriptors of photos, X (99976, 128); y the photo."""
    return _npz(_file(data_home, "sift_photos.npz"))


@pytest.fixture(scope="session")
def digits() -> SimpleNamespace:
    """The 8 x 8 digits that come with scikit-learn, X (1797, 64) uint8 with values 0..16; y."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return SimpleNamespace(X=bunch.data.astype(np.uint8), y=bunch.target)
