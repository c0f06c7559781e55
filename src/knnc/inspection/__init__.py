"""What the neighbours of training rows say about them: doubtful labels, and near-duplicates.

::

    labels       leave-one-out probabilities, and rows whose label their neighbours dispute
    duplicates   pairs of rows at no more than a distance

A self-join is all that it takes: each training row is a query and is left out of its own
neighbours. Where rows are images, :class:`knnc.plot.DisputedLabelsDisplay` and
:class:`knnc.plot.NearDuplicatesDisplay` draw either; both have their names here too.
"""

from typing import TYPE_CHECKING, Any

from knnc.inspection.duplicates import NearDuplicates, near_duplicates
from knnc.inspection.labels import DisputedLabels, disputed_labels, leave_one_out_proba

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    """The displays, which draw what is found here and so import it."""
    if name in ("DisputedLabelsDisplay", "NearDuplicatesDisplay"):
        import knnc.plot

        return getattr(knnc.plot, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
