"""One exact search: arrays in, (distance, row index) out. Nothing here knows an estimator.

::

    index      training rows packed for one metric, and the search over them
    stream     rows that do not fit into memory: packed in each search, a chunk at a time
    archive    files of numbers, strings and arrays, opened in milliseconds
    state      what parts of an index say of themselves for them
    memory     how much of it may be taken for rows
    pages      memory maps: which one an array lies in, and what of it is in memory
    narrow     which bytes stand for these numbers: lossless narrowing to uint8
    threads    how many threads n_jobs stands for
    progress   who is told how far a long search has come
    bars       the bars of rich and tqdm for it
    runtime    what runs here: versions, CPU features, kernels, OpenMP
    search     (Cython) blocks, threads and the heap of the k nearest
    floats     (Cython) rows of float32 or float64, with the same distances on every machine
    float_search  (Cython) the k nearest of them, and all within a limit
    kernels/   (C) the leaf loops, one file per metric and instruction set
"""
