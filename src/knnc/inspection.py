"""Doubtful labels and near-duplicates among training rows, found by their neighbours.

Each report takes one search: every training row is a query and is left out of its own neighbours.
If rows are images, :class:`knnc.plot.DisputedLabelsDisplay` and
:class:`knnc.plot.NearDuplicatesDisplay` draw the reports. Both can be imported from here too.
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
