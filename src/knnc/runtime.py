"""A report of what knnc runs on: versions, CPU features, kernels, OpenMP, threads."""

from __future__ import annotations

import platform
from typing import Any

from knnc._version import __version__
from knnc.engine import dispatch
from knnc.engine.cpu_features import disabled_cpu_features
from knnc.engine.system.threads import effective_n_threads


def runtime_info(estimator: Any = None) -> dict[str, Any]:
    """Describe what knnc runs on, as a dictionary of plain values.

    Parameters
    ----------
    estimator : object, default=None
        A fitted estimator of knnc, to be described too.

    Returns
    -------
    info : dict
        ``versions`` (knnc, python, numpy, scipy, scikit-learn, joblib), ``platform``,
        ``cpu_features`` (found), ``cpu_features_disabled`` (by the environment), ``kernels``
        (metric, or distance of :mod:`knnc.image`, to the kernel that runs), ``kernels_available``
        and ``kernels_compiled`` (names),
        ``openmp`` (specification date and the runtimes loaded), ``n_threads`` (n_jobs=None).
        With an `estimator`, ``chosen``: what :func:`knnc.neighbors.chosen.chosen_search` returns.
    """
    import joblib
    import numpy
    import scipy
    import sklearn
    from threadpoolctl import threadpool_info

    from knnc.image import _distortion
    from knnc.neighbors.chosen import chosen_search

    chosen = {} if estimator is None else {"chosen": chosen_search(estimator)}
    available = dispatch.available_kernels() + _distortion.available_idm_kernels()
    used: dict[str, str] = {}
    for name in available:
        used.setdefault(name.split("_", 1)[0], name)
    return {
        "versions": {
            "knnc": __version__,
            "python": platform.python_version(),
            "numpy": numpy.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
            "joblib": joblib.__version__,
        },
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_features": dispatch.detected_cpu_features(),
        "cpu_features_disabled": disabled_cpu_features(),
        "kernels": used,
        "kernels_available": available,
        "kernels_compiled": dispatch.all_kernels() + _distortion.all_idm_kernels(),
        "openmp": {
            "specification": dispatch.openmp_version() or None,
            "runtimes": sorted(
                str(pool["prefix"]) for pool in threadpool_info() if pool["user_api"] == "openmp"
            ),
        },
        "n_threads": effective_n_threads(None),
        **chosen,
    }


def show_runtime(estimator: Any = None) -> None:
    """Print what knnc runs on: versions, CPU features, kernels, OpenMP runtime, threads.

    Parameters
    ----------
    estimator : object, default=None
        A fitted estimator of :mod:`knnc.neighbors`, a pipeline with one, or a search over
        parameters that has fitted one. Two more lines then say which engine it uses, how it reads
        the training rows, and why.

    Raises
    ------
    TypeError
        If `estimator` is something else.
    NotFittedError
        If it is not fitted.

    Examples
    --------
    >>> import knnc
    >>> nn = knnc.NearestNeighbors(metric="canberra").fit([[0.5, 1], [2, 3]])
    >>> knnc.show_runtime(nn)  # doctest: +ELLIPSIS
    knnc ...
    engine ... sklearn: knnc computes only ...
    search ... brute: scikit-learn's choice for algorithm='auto'
    """
    info = runtime_info(estimator)
    versions = dict(info["versions"])
    openmp = info["openmp"]
    lines = [
        ("knnc", versions.pop("knnc")),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("platform", info["platform"]),
        ("CPU features", ", ".join(info["cpu_features"]) or "none that a kernel uses"),
        ("disabled", ", ".join(info["cpu_features_disabled"]) or "none"),
        *((f"kernel, {metric}", name) for metric, name in info["kernels"].items()),
        (
            "OpenMP",
            f"{openmp['specification']} ({', '.join(openmp['runtimes']) or 'no runtime loaded'})"
            if openmp["specification"]
            else "not in this build: one thread",
        ),
        ("threads", str(info["n_threads"])),
    ]
    if chosen := info.get("chosen"):
        lines += [(of, f"{chosen[of]}: {chosen[f'{of}_reason']}") for of in ("engine", "search")]
    width = max(len(name) for name, _ in lines)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in lines))
