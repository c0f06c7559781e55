"""What :mod:`knnc.inspection` finds; :mod:`knnc.plot` draws it, so it is below both.

::

    labels       leave-one-out probabilities, and rows whose label their neighbours dispute
    duplicates   pairs of rows at no more than a distance
"""
