"""One exact search: arrays in, (distance key, row index) out. Nothing here knows an estimator.

::

    index         checks the arguments of a search
    prepared      rows packed, coded or streamed; chooses the scan of a search
    auto          every threshold and trial of algorithm="auto"
    metrics       the table of metrics: kernels, norm of the codes, keys to distances and back
    encoding      which bytes stand for these numbers: lossless narrowing to uint8
    packed        rows packed for a kernel
    scan/         brute force, within a radius, by codes, streamed
    codes/        short codes of rows: how they are learnt, made and stored
    system/       threads, locks, BLAS, memory (when rows are streamed), memory maps, pace, progress
    fields        checks of the values that a saved index consists of
    floats        rows of floats, and the distance of one of them
    dispatch      which kernels there are, and which one is chosen
    cpu_features  applies KNNC_DISABLE_CPU_FEATURES before a kernel is chosen
    kernels/      (C) the leaf loops, one file per metric and instruction set
"""

from knnc.engine import cpu_features as _cpu_features  # noqa: F401  before any kernel is chosen
