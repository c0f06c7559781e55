"""Float rows prepared for searching, and the choice of the scan that serves a search.

Rows of few features lie in a k-d tree. Otherwise few queries are compared with the rows as they
came (scan/floats.pyx), so nothing is packed; rows of a memory map that are larger than `max_memory`
are streamed. Codes are made once queries are many, if there is room for them and a trial says that
they save time: by brute force those of all features, which is a scan of bytes in place of one of
floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine import dispatch
from knnc.engine.auto import Policy, QueryCount
from knnc.engine.codes.coding import MAX_PRUNED_FEATURES
from knnc.engine.codes.learning import sample_rows
from knnc.engine.codes.rows import CodedRows
from knnc.engine.fields import State, part_of
from knnc.engine.floats import FloatRows, as_float64
from knnc.engine.metrics import PRUNED_FLOAT_METRICS
from knnc.engine.scan import coded, floats, many
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.scan.streamed_floats import StreamedFloats
from knnc.engine.system.memory import MemoryPlan
from knnc.engine.system.pages import mapping_of
from knnc.engine.system.progress import current, shifted

__all__ = ["PreparedFloats", "joined_within"]

Int64 = NDArray[np.int64]
Within = tuple[Int64, Int64 | None, Int64]  # as radius.search returns it

# Queries that a search with whole codes counts as at least. One query alone reads all of the codes,
# so that axes save more of its time than of that of one among many.
LEAST_COUNTED = 8
# Bytes of float32 queries that are float64 at a time.
_QUERY_BYTES = 32 << 20


def joined_within(parts: list[Within]) -> Within:
    """The answers of a radius search in pieces of the queries, at least one, as one answer."""
    if len(parts) == 1:
        return parts[0]
    counts = np.concatenate([np.diff(indptr) for indptr, _, _ in parts])
    indptr = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
    keys = [part for _, part, _ in parts if part is not None]
    ind = np.concatenate([found for _, _, found in parts])
    return indptr, np.concatenate(keys) if keys else None, ind


class PreparedFloats:
    """What is made of float rows, and the scans over it. Arguments are not checked here.

    Parameters
    ----------
    rows : ndarray of shape (n_samples_fit, n_features), float32 or float64, C-contiguous
        Kept by reference.
    metric, algorithm : str
    max_memory : int or None
    policy : Policy
        As :class:`knnc.engine.index.Index` takes them.
    n_threads : int
        Threads that measure the norms of rows, for "cosine".
    """

    def __init__(
        self,
        rows: NDArray[Any],
        metric: str,
        algorithm: str,
        max_memory: int | None,
        policy: Policy,
        n_threads: int,
    ) -> None:
        self._rows = rows
        self.plan = MemoryPlan.for_rows(rows, max_memory=max_memory)
        self._algorithm = algorithm
        self._policy = policy
        self._floats = FloatRows(rows, metric, n_threads=n_threads)
        self._codes: CodedRows | None = None
        self._tree: floats.KDTree | None = None
        self._has_tree = algorithm == "auto" and policy.plants_tree(rows, metric, self.plan)
        many = policy.float_queries_to_code(rows, metric, self.plan, has_tree=self._has_tree)
        self._may_code = algorithm != "pruned" and many is not None
        self._query_count = QueryCount(many or 0)
        # Axes take long to learn, and serve many queries: few have codes of all features first.
        has_axes = self._may_code and metric != "manhattan"
        more = policy.float_queries_for_axes(rows) if has_axes else None
        self._axes_count = (
            None if more is None or algorithm != "auto" else QueryCount(more, LEAST_COUNTED)
        )

    def build(self, n_threads: int) -> None:
        """Make codes if the algorithm asks for them, or the tree of rows of few features."""
        if self._has_tree:
            self._tree = floats.KDTree(self._floats, n_threads)
            if self._may_code:
                self._query_count = QueryCount(
                    self._policy.tree_queries_to_code(self._tree, self._rows)
                )
        if self._algorithm == "pruned":
            self._codes = self._policy.coding.encode_floats(self._floats, n_threads)

    @property
    def kernel(self) -> str:
        """Name of the kernel that compares rows."""
        return self._floats.kernel

    @property
    def code_kernel(self) -> str:
        """Name of the kernel that codes are packed for."""
        return str(dispatch.kernel_for(self._code_metric, None))

    @property
    def _code_metric(self) -> str:
        """The metric of the codes."""
        return "manhattan" if self._floats.metric == "manhattan" else "sqeuclidean"

    @property
    def is_pruned(self) -> bool:
        """Whether there are codes."""
        return self._codes is not None

    @property
    def is_streamed(self) -> bool:
        """Whether a search without codes reads rows of a memory map a chunk at a time.

        Rows in memory are compared where they are.
        """
        return self.plan.is_streamed() and mapping_of(self._rows) is not None

    @property
    def nbytes(self) -> int:
        """Bytes of the codes and of the tree."""
        return sum(int(part.nbytes) for part in (self._codes, self._tree) if part is not None)

    def scan(self) -> tuple[str, str]:
        """How a search for few neighbours reads the rows now, and why."""
        if self._algorithm == "brute":
            by = ", by codes of all features, which a trial found faster" if self.is_pruned else ""
            return "brute", f"algorithm='brute'{by}"
        if self._algorithm == "pruned":
            why = "algorithm='pruned'"
        elif self.is_pruned:
            why = "a trial found that codes save time"
        elif not self._may_code:
            why = self._policy.why_no_float_codes()
        else:
            why = self._query_count.what_is_due(is_late=True)
        if self._tree is not None and not self.is_pruned:
            return "tree", f"rows of at most {self._policy.tree_features} features; {why}"
        if self.is_streamed and not self.is_pruned:
            return "streamed", f"{why}; the rows of the memory map are larger than max_memory"
        return "pruned" if self.is_pruned else "brute", why

    def state(self) -> dict[str, Any]:
        """Everything that :meth:`restore` needs."""
        return {"packed": None, "pruned": self._codes and self._codes.state()}

    def restore(self, state: State) -> None:
        """Take codes from a state; a tree is made anew.

        Raises
        ------
        ValueError, TypeError
            If the state is not one that :meth:`state` returns, or is that of other rows.
        """
        may_have = self._floats.metric in PRUNED_FLOAT_METRICS
        n_features = self._rows.shape[1]
        if state.get("packed") is not None or not may_have or n_features > MAX_PRUNED_FEATURES:
            raise ValueError("there are codes of rows that have none")
        self._codes = CodedRows.restored(
            part_of(state, "pruned"), self._floats, self._code_metric, self.code_kernel
        )
        if self._has_tree:
            self._tree = floats.KDTree(self._floats, 1)

    def search(
        self, queries: NDArray[Any], k: int, n_threads: int, first_self: int
    ) -> tuple[Int64, Int64]:
        """The k nearest rows of each query."""
        codes = tree = None
        if self._algorithm == "pruned" or self._policy.pays_for(k, len(self._rows)):
            codes, tree = self._codes_for(len(queries), n_threads), self._tree
        if codes is not None:
            return coded.search(codes, queries, k, n_threads, first_self, current())
        streamed = self._streamed() if tree is None else None
        if streamed is not None and queries is self._rows:
            return streamed.search(queries, k, n_threads, first_self, current())
        keys, ind = np.empty((2, len(queries), k), np.int64)
        for piece, own_self, told in self._pieces(queries, first_self):
            some = as_float64(queries[piece])
            options = some, k, n_threads, own_self, told
            if tree is not None:
                keys[piece], ind[piece] = floats.tree_search(tree, *options)
            elif streamed is not None:
                keys[piece], ind[piece] = streamed.search(*options)
            elif self._policy.lists_for(k, len(queries)):
                keys[piece], ind[piece] = many.search(
                    floats.search, floats.within, self._floats, self._sample, *options
                )
            else:
                keys[piece], ind[piece] = floats.search(self._floats, *options)
        return keys, ind

    def within(
        self,
        queries: NDArray[Any],
        limit: int,
        n_threads: int,
        first_self: int,
        return_distance: bool,
        sort: bool,
    ) -> tuple[Int64, Int64 | None, Int64]:
        """All rows whose key is at most `limit`."""
        codes = self._codes_for(len(queries), n_threads)
        options = return_distance, sort
        if codes is not None and (
            self._algorithm == "pruned"
            or self._policy.pays_within(codes, queries, limit, first_self, n_threads)
        ):
            return coded.within(codes, queries, limit, n_threads, first_self, *options, current())
        streamed = self._streamed() if self._tree is None else None
        if streamed is not None and queries is self._rows:
            return streamed.within(queries, limit, n_threads, first_self, *options, current())
        parts = []
        for piece, own_self, told in self._pieces(queries, first_self):
            some = as_float64(queries[piece])
            whole = some, limit, n_threads, own_self, *options, told
            if self._tree is not None:
                parts.append(floats.tree_within(self._tree, *whole))
            elif streamed is not None:
                parts.append(streamed.within(*whole))
            else:
                parts.append(floats.within(self._floats, *whole))
        return joined_within(parts)

    def _streamed(self) -> StreamedFloats | None:
        if not self.is_streamed:
            return None
        return StreamedFloats(self._rows, self._floats.metric, self.plan.room_for_chunks())

    def _sample(self) -> FloatRows:
        some = sample_rows(self._rows, 1 + len(self._rows) // many.SAMPLE_SHARE)
        return FloatRows(some, self._floats.metric)

    def _pieces(self, queries: NDArray[Any], first_self: int) -> Any:
        """Slices of the queries, which become float64 piece by piece; at least one."""
        n_queries = len(queries)
        step = n_queries
        if queries.dtype != np.float64:
            step = max(1, _QUERY_BYTES // (8 * queries.shape[1]))
        for start in range(0, max(1, n_queries), max(1, step)):
            own_self = first_self if first_self == NO_SELF else first_self + start
            yield slice(start, start + step), own_self, shifted(current(), start, n_queries)

    def _codes_for(self, n_queries: int, n_threads: int) -> CodedRows | None:
        """The codes, if there are any; made now if the queries have become many.

        One thread decides. Others that search meanwhile use brute force.
        """
        if not self._may_code:
            return self._codes
        if self._axes_count is not None:
            with self._axes_count.decision(n_queries) as is_due:
                if is_due:
                    made = self._make_codes(n_threads, is_whole=False)
                    self._codes = made or self._codes
        if self._codes is None:
            with self._query_count.decision(n_queries) as is_due:
                if is_due:
                    is_whole = self._algorithm == "brute" or self._axes_count is not None
                    self._codes = self._make_codes(n_threads, is_whole=is_whole)
        return self._codes

    def _make_codes(self, n_threads: int, *, is_whole: bool) -> CodedRows | None:
        return self._policy.float_codes_if_faster(
            self._floats, self._tree, n_threads, is_whole=is_whole
        )
