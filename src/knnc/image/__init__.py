"""Features of images, and distances that allow for bent strokes.

::

    distortion   DistortionKNeighborsClassifier: exact candidates, then distances that follow a
                 bent stroke
    weights      SoftWeights: votes that fade with the distance
    hog          HOG       directions of edges, cell by cell
    discriminant LocalDiscriminant: a linear map learnt from labels, rounded to bytes
    deskew       Deskew    leaning writing made upright and centred
    blur         Blur      a Gaussian
    stretch      Stretch   the brightest pixel made white
    shift        Shift     moved by whole pixels, mirrored
    base         rows that are images: shapes, bytes, checks

    _reranking             the candidates of a query, and the nearest of them
    _distortion.pyx        candidates ranked by a sum of terms, on all threads
    kernels/*.c            the image distortion model, one file per instruction set; tangents
    _histograms.pyx        the histograms of HOG

Every transformer takes images as rows: whole numbers 0..255 of any dtype, or pixels divided by 255.
Images are square unless `image_shape` says otherwise. The result is uint8, which the integer engine
searches. It is computed in whole numbers, or rounded in a fixed order, so it does not depend on the
number of threads.
"""

from knnc.image.blur import Blur
from knnc.image.deskew import Deskew
from knnc.image.discriminant import LocalDiscriminant
from knnc.image.distortion import DistortionKNeighborsClassifier
from knnc.image.hog import HOG
from knnc.image.shift import Shift
from knnc.image.stretch import Stretch
from knnc.image.weights import SoftWeights

__all__ = [
    "HOG",
    "Blur",
    "Deskew",
    "DistortionKNeighborsClassifier",
    "LocalDiscriminant",
    "Shift",
    "SoftWeights",
    "Stretch",
]
