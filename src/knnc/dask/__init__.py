"""Nearest neighbours among training rows on the workers of a Dask cluster.

::

    import dask.array as da
    from knnc.dask import KNeighborsClassifier

    clf = KNeighborsClassifier(n_neighbors=5).fit(X, y)  # X: dask array, chunks of rows
    clf.predict(queries).compute()

The chunks of X stay where they are, each with an index over it. Blocks of queries are sent to them.
Each chunk finds k pairs of (distance, row index) for each query. These pairs are merged in a tree,
so the answer is that of one machine with all rows, bit for bit, however X is cut. Only these pairs,
and the labels of their rows, leave a worker. If a worker is lost, its chunks are lost too. Dask
then computes them again on another worker, from what X is computed from.

Rows are compared as bytes if the values of all chunks can be stored as bytes without loss (uint8,
whole numbers from 0 to 255 of any dtype, pixels divided by 255), and as floats otherwise. `engine_`
is "integer" or "float". scikit-learn's search is never used. `fit` computes all of X that is not
uint8 before it returns, once.

`fit` computes at once: it makes the indexes and checks the targets. `kneighbors`, `predict` and
`predict_proba` are lazy. Their results hold the chunks that they need, so the estimator may be
fitted again or deleted before a result is computed. All of this works with Dask's threads too,
without a cluster. If one machine can hold the index, use an estimator of knnc itself, which is
sent to each worker: ``da.map_blocks(clf.predict, queries)``.

Threads: a task of Dask's threads, or of a worker with several threads, uses its share of the CPUs
that a search of its own would use, at least one. Dask's processes do not know how many they are.
A task in one of them takes its share as if there were as many processes as CPUs. Workers that
Dask's nanny starts have OMP_NUM_THREADS=1 unless configured otherwise. So start one worker for each
core; or start one worker with one thread, and set `n_jobs` of the estimator. The threads of a
worker and `n_jobs` multiply.

Tasks have names, for which Dask's dashboard shows bars: `knnc-index` (of a chunk, made by `fit`),
`knnc-search-chunk`, `knnc-merge`, and tasks that convert the answer, such as `knnc-distances` or
`knnc-predict`. Keys say what is computed, so that a result that is asked for twice is one task.

A slow worker gets fewer tasks, but Dask waits for it if only this worker has a chunk. Dask waits
for a worker that does not answer at all, too, for `distributed.scheduler.worker-ttl` (five minutes
unless configured otherwise). Then its chunks are made again elsewhere, as if it had died.

::

    _estimators  fit and predict, lazily
    _nearest     the search, lazily
    _tasks       arrays to named tasks and back
    _targets     labels and numbers, checked and cut as the rows are
    _rows        rows and queries as bytes or floats, on a worker
    _chunks      a chunk of rows and its index, on a worker
    _found       what a search found: merged, and made into distances, labels and means
"""

from __future__ import annotations

try:
    import dask.array  # noqa: F401
except ImportError as error:
    raise ImportError(
        'knnc.dask needs dask, which is not installed: pip install "knnc[dask]"'
    ) from error

from knnc.dask._estimators import KNeighborsClassifier, KNeighborsRegressor
from knnc.dask._nearest import NearestNeighbors

__all__ = ["KNeighborsClassifier", "KNeighborsRegressor", "NearestNeighbors"]
