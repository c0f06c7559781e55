"""How many threads a search uses."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.dummy import Process as PoolThread
from numbers import Integral
from time import monotonic

import joblib
import threadpoolctl
from joblib.parallel import get_active_backend

from knnc.engine.dispatch import openmp_max_threads

# Linux: this process came of a fork, and has executed no program since (include/linux/sched.h).
_PF_FORKNOEXEC = 0x40


def _came_of_a_fork() -> bool:
    """Whether a process that imports knnc only now is a forked child, where that can be asked.

    The parent, or another library in it, may have used OpenMP before knnc was there to see.
    """
    try:
        with open("/proc/self/stat", "rb") as file:
            # The name, in parentheses, may hold anything; the flags are the seventh field after it.
            return bool(int(file.read().rpartition(b")")[2].split()[6]) & _PF_FORKNOEXEC)
    except (OSError, IndexError, ValueError):
        return False


# OpenMP ends the process when the system refuses it a thread, and crashes at a million of them.
_MOST = 256

_forked = _came_of_a_fork()
_warned = False
# The number of CPUs, what it depends on, and when to ask again (time.monotonic).
_counted: tuple[int, tuple[int, str | None], float] = (1, (0, None), 0.0)


def effective_n_threads(n_jobs: int | None = None) -> int:
    """The number of threads that `n_jobs` stands for, here and now, in the calling thread.

    Parameters
    ----------
    n_jobs : int or None
        None: the smaller of what OpenMP allows (``OMP_NUM_THREADS``, threadpoolctl's limits and
        the share that joblib gives a worker count) and the CPUs that this process may use. In a
        worker of joblib's threading backend, which gives no share, that divided by the workers.
        A positive number is taken literally, up to 256 or the number of CPUs if that is more;
        -1 is all CPUs, -2 all but one, as joblib counts.

    Returns
    -------
    n_threads : int
        At least 1. In a forked child always 1: a threading runtime that the parent used does not
        survive a fork, and starting a thread of it would hang.

    Raises
    ------
    TypeError
        If `n_jobs` is neither an integer nor None.
    ValueError
        If `n_jobs` is 0.
    """
    if n_jobs is not None and not isinstance(n_jobs, Integral):
        raise TypeError(f"n_jobs must be an integer or None, got {n_jobs!r}.")
    if n_jobs == 0:
        raise ValueError("n_jobs == 0 has no meaning; use None, a positive or a negative number.")
    if n_jobs is None:
        n_threads = min(openmp_max_threads(), _cpu_count())
        return safe_n_threads(max(1, n_threads // _threads_of_its_kind()))
    if n_jobs < 0:
        return safe_n_threads(max(1, _cpu_count() + 1 + n_jobs))
    return safe_n_threads(min(int(n_jobs), max(_MOST, _cpu_count())))


def _threads_of_its_kind() -> int:
    """Workers of joblib's threading backend, if the calling thread is one, else 1.

    Its processes have their share of the CPUs in ``OMP_NUM_THREADS``; of its threads each is
    allowed as much as all together. They are those of a multiprocessing.pool.ThreadPool.
    """
    if not isinstance(threading.current_thread(), PoolThread):
        return 1
    backend, _ = get_active_backend()
    if not getattr(backend, "nesting_level", 0):
        return 1
    return sum(isinstance(thread, PoolThread) for thread in threading.enumerate())


def _cpu_count() -> int:
    """joblib.cpu_count(), asked again when what it depends on has changed, or after a second.

    It takes 40 us, most of them to read the limits of the control group: half the time of a search
    for one query among the 60,000 rows of MNIST.
    """
    global _counted
    now = monotonic()
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    depends_on = affinity, os.environ.get("LOKY_MAX_CPU_COUNT")
    count, counted_for, until = _counted
    if counted_for != depends_on or now >= until:
        count = max(1, int(joblib.cpu_count()))
        _counted = count, depends_on, now + 1.0
    return count


def safe_n_threads(n_threads: int) -> int:
    """`n_threads`, or 1 in a forked child, with a warning the first time that it is fewer."""
    if _forked and n_threads > 1:
        _warn_once()
        return 1
    return n_threads


@contextmanager
def safe_openmp() -> Iterator[None]:
    """In a forked child, keep the OpenMP of other libraries to one thread; elsewhere do nothing.

    scikit-learn's fused search hangs in a child whose parent has used its threads.
    """
    if not _forked:
        yield
        return
    safe_n_threads(_cpu_count())  # for the warning
    with threadpoolctl.threadpool_limits(limits=1, user_api="openmp"):
        yield


def _after_fork() -> None:
    global _forked
    _forked = True


def _warn_once() -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            "This process was forked, so knnc searches on one thread: OpenMP threads do not "
            "survive a fork. Start workers with the 'spawn' method, or with joblib's loky, to "
            "use more.",
            RuntimeWarning,
            stacklevel=4,
        )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
