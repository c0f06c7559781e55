"""One exact search: arrays in, (distance, row index) out. Nothing here knows an estimator.

::

    index      checks the arguments, and owns one way of scanning
    encoding   which bytes stand for these numbers: lossless narrowing to uint8
    packed     rows packed for a kernel
    scan/      brute force, within a radius, by codes, streamed
    codes/     short codes of rows: how they are learnt, made and kept
    system/    threads, BLAS, memory, memory maps, progress
    fields     checks of the values that a saved index consists of
    runtime    what runs here: versions, CPU features, kernels, OpenMP
    kernels/   (C) the leaf loops, one file per metric and instruction set
"""
