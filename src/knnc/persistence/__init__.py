"""Fitted estimators in files that hold no code.

::

    estimators   knnc.save and knnc.load: the classes that a file may hold
      neighbors    estimators of rows            \\
      image        transformers and classifiers   > each as a tree of values, and back
      groups       pipelines, unions, votes      /
    archive      the file format: a tree of values and arrays, mapped in milliseconds
    cache        fitted recipes, kept for as long as a fit would give the same

A file names a class by a word of a fixed list, and holds values. Nothing that it says is imported
or called. What parts of an index write is in the engine: their methods `state` and `restored`,
which check each value with :mod:`knnc.engine.fields`.

Three places know what is in a file: `archive` how a value is written, the modules that `estimators`
lists what is written of an estimator, and the engine's `state` what is written of an index.
"""
