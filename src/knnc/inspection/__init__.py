"""What the neighbours of training rows say about them: doubtful labels, and near-duplicates.

::

    labels       leave-one-out probabilities, and rows whose label their neighbours dispute
    duplicates   pairs of rows at no more than a distance
    display      pictures of either, where rows are images

A self-join is all that it takes: each training row is a query and is left out of its own
neighbours.
"""

from knnc.inspection.display import DisputedLabelsDisplay, NearDuplicatesDisplay
from knnc.inspection.duplicates import NearDuplicates, near_duplicates
from knnc.inspection.labels import DisputedLabels, disputed_labels, leave_one_out_proba

__all__ = [
    "DisputedLabels",
    "DisputedLabelsDisplay",
    "NearDuplicates",
    "NearDuplicatesDisplay",
    "disputed_labels",
    "leave_one_out_proba",
    "near_duplicates",
]
