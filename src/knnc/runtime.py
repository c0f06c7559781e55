"""A report of what knnc runs on: versions, CPU features, kernels, OpenMP, threads."""

from __future__ import annotations

import platform
from typing import Any

from knnc._version import __version__
from knnc.engine import dispatch
from knnc.engine.cpu_features import disabled_cpu_features
from knnc.engine.system.threads import effective_n_threads


def runtime_info() -> dict[str, Any]:
    """Describe what knnc runs on, as a dictionary of plain values.

    Returns
    -------
    info : dict
        ``versions`` (knnc, python, numpy, scipy, scikit-learn, joblib), ``platform``,
        ``cpu_features`` (found), ``cpu_features_disabled`` (by the environment), ``kernels``
        (metric, or distance of :mod:`knnc.image`, to the kernel that runs), ``kernels_available``
        and ``kernels_compiled`` (names),
        ``openmp`` (specification date and the runtimes loaded), ``n_threads`` (n_jobs=None).
    """
    import joblib
    import numpy
    import scipy
    import sklearn
    from threadpoolctl import threadpool_info

    from knnc.image import _distortion

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
    }


def show_runtime() -> None:
    """Print what knnc runs on: versions, CPU features, kernels, OpenMP runtime, threads.

    Examples
    --------
    >>> import knnc
    >>> knnc.show_runtime()  # doctest: +ELLIPSIS
    knnc ...
    """
    info = runtime_info()
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
    width = max(len(name) for name, _ in lines)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in lines))
