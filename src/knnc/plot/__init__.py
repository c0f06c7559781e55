"""Pictures of data sets, of what an estimator reads, and of the neighbours that make it do so.

==========================  =======================================================================
``SpriteDisplay``           a data set on one sheet, some rows of images for each class
``ReadDisplay``             images, each with the label that was read
``MisreadDisplay``          misread images beside their nearest neighbours
``ConfusionMatrixDisplay``  which classes are taken for which
``NeighborsCurveDisplay``   the score of each number of neighbours
``EmbeddingDisplay``        a data set in the plane by its graph of neighbours; also as it forms
``PixelPairsDisplay``       how well a single pixel tells each pair of classes apart
``ComparisonDisplay``       the accuracy of classifiers on several data sets
``DisputedLabelsDisplay``   training images whose label their neighbours dispute
``NearDuplicatesDisplay``   pairs of images that are the same or nearly so
==========================  =======================================================================

The displays follow scikit-learn's conventions: a constructor that takes what is to be drawn,
``from_estimator``, ``from_predictions`` or ``from_rows`` that compute it, and ``plot(ax=None)``
that draws it into one Axes and keeps ``figure_`` and ``ax_``. ``knnc view`` has a command for each.
matplotlib, of the extra ``plot``, is imported when something is drawn. A figure made here belongs
to the caller, needs no screen and is freed with the last reference to it: no display opens a window
or leaves a figure with pyplot.
"""

from knnc.plot._comparison import ComparisonDisplay, Outcome, compare_classifiers
from knnc.plot._confusion import ConfusionMatrixDisplay
from knnc.plot._curve import NeighborsCurveDisplay
from knnc.plot._embedding import EmbeddingDisplay
from knnc.plot._inspection import DisputedLabelsDisplay, NearDuplicatesDisplay
from knnc.plot._misread import MisreadDisplay
from knnc.plot._pixels import PixelPairs, PixelPairsDisplay, best_single_pixels
from knnc.plot._read import ReadDisplay
from knnc.plot._sprite import SpriteDisplay

__all__ = [
    "ComparisonDisplay",
    "ConfusionMatrixDisplay",
    "DisputedLabelsDisplay",
    "EmbeddingDisplay",
    "MisreadDisplay",
    "NearDuplicatesDisplay",
    "NeighborsCurveDisplay",
    "Outcome",
    "PixelPairs",
    "PixelPairsDisplay",
    "ReadDisplay",
    "SpriteDisplay",
    "best_single_pixels",
    "compare_classifiers",
]
