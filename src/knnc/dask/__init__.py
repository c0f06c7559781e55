"""Nearest neighbours among training rows on the workers of a Dask cluster.

::

    import dask.array as da
    from knnc.dask import KNeighborsClassifier

    clf = KNeighborsClassifier(n_neighbors=5).fit(X, y)  # X: dask array, chunks of rows
    clf.predict(queries).compute()

The chunks of X stay where they are, each with an index over it; blocks of queries are sent to them.
What each chunk finds, k pairs of (distance, row index) a query, is merged in a tree by these pairs,
so the answer is that of one machine with all rows, bit for bit, however X is cut. Nothing but
these pairs, and the labels of those rows, leaves a worker. A worker that is lost takes its chunks
with it; Dask makes them again elsewhere from what X is computed from.

Rows are compared as bytes if bytes stand for the values of all chunks (uint8, whole numbers from 0
to 255 of any dtype, pixels divided by 255), and as floats otherwise; `engine_` is "integer" or
"float". scikit-learn's search never serves. `fit` computes all of X that is not uint8 before it
returns, once.

`fit` computes (it makes the indexes, and looks at the targets); `kneighbors`, `predict` and
`predict_proba` are lazy, and what they return holds the chunks that it needs: the estimator may be
fitted again, or gone, before it is computed. It works with Dask's threads too, without a cluster.
Queries that fit one machine's index need none of this: ``da.map_blocks(clf.predict, queries)`` with
an estimator of knnc itself, which is sent to each worker.

Threads: a task of Dask's threads, or of a worker with several, uses its share of the CPUs that a
search of its own would use, at least one; one of Dask's processes, which do not know how many they
are, as if they were as many as the CPUs. Workers that Dask's nanny starts have OMP_NUM_THREADS=1
unless configured otherwise, so a worker a core, or one worker with `n_jobs` and one thread, is
right; several threads a worker and `n_jobs` multiply.

Tasks have names, which Dask's dashboard shows a bar for: `knnc-index` (a chunk's, made by `fit`),
`knnc-search-chunk`, `knnc-merge`, and what is made of the answer, such as `knnc-distances` or
`knnc-predict`. Keys say what is computed: asked for twice, it is one task.

A worker that is slow gets fewer tasks, except for the chunks that only it has: it is waited for.
One that does not answer at all is waited for too, until Dask gives it up, after
`distributed.scheduler.worker-ttl` (five minutes unless configured otherwise), and its chunks are
made again elsewhere as if it had died.

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
