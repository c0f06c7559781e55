"""Reports of :mod:`knnc.inspection`; :mod:`knnc.plot` draws them, so they are below both.

::

    labels       leave-one-out probabilities, and rows whose label their neighbours dispute
    duplicates   pairs of rows at no more than a distance
"""
