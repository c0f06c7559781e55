"""What the neighbours of training rows say about them: doubtful labels, and near-duplicates.

A self-join is all that it takes: each training row is a query and is left out of its own
neighbours. Where rows are images, :class:`knnc.plot.DisputedLabelsDisplay` and
:class:`knnc.plot.NearDuplicatesDisplay` draw either; both have their names here too.
"""

from knnc._reports.duplicates import NearDuplicates, near_duplicates
from knnc._reports.labels import DisputedLabels, disputed_labels, leave_one_out_proba
from knnc.plot import DisputedLabelsDisplay, NearDuplicatesDisplay

__all__ = [
    "DisputedLabels",
    "DisputedLabelsDisplay",
    "NearDuplicates",
    "NearDuplicatesDisplay",
    "disputed_labels",
    "leave_one_out_proba",
    "near_duplicates",
]
