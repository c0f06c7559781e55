"""Images and labels as uint8 arrays, ready for the estimators.

=========================  ====================================================================
``load_dataset``           a data set by name, or a folder, as ``(train, test)``
``load_digits``            the 8 x 8 digits that come with scikit-learn; no download
``fetch_mnist``            MNIST; downloaded once, then read from the data home
``fetch_fashion_mnist``    Fashion-MNIST, likewise
``fetch_emnist``           one of the six sets of EMNIST, upright
``fetch_kmnist``           Kuzushiji-MNIST
``fetch_qmnist``           QMNIST
``fetch_usps``             USPS
``load_idx_folder``        any folder with four IDX files, as ``(train, test)``
``read_idx``               one IDX file, plain or gzip, as an array
``read_vectors``           one .u8bin, .fbin, .bvecs, .fvecs or .npy file, mapped into memory
``read_neighbors``         one .ibin file of neighbours, as ``knnc groundtruth`` writes it
``sample_page``            a small scan of handwriting that comes with the package
``get_data_home``          where the ``fetch_`` functions look and store
=========================  ====================================================================

Each data set is a :class:`sklearn.utils.Bunch` with the same keys: ``data`` (rows, uint8),
``images`` (the same memory with its height and width), ``target`` (int64), ``target_names``
(``target_names[label]`` is the label's text), ``feature_names`` and ``DESCR``.

Inside, ``_idx`` reads the format, ``_files`` has the names of files, ``_mapping`` reads what labels
mean, ``_registry`` has hashes and shapes, ``_download`` downloads, ``_archives`` reads data sets
that are not four IDX files, and ``_bunch`` wraps arrays. The other modules hold the functions
above.
This package imports neither the engine nor the estimators.
"""

from knnc.datasets._archives import fetch_emnist, fetch_usps
from knnc.datasets._digits import load_digits
from knnc.datasets._fetch import (
    fetch_fashion_mnist,
    fetch_kmnist,
    fetch_mnist,
    fetch_qmnist,
    get_data_home,
)
from knnc.datasets._folder import load_idx_folder
from knnc.datasets._idx import read_idx
from knnc.datasets._load import load_dataset
from knnc.datasets._sample import sample_page
from knnc.datasets._vectors import read_neighbors, read_vectors

__all__ = [
    "fetch_emnist",
    "fetch_fashion_mnist",
    "fetch_kmnist",
    "fetch_mnist",
    "fetch_qmnist",
    "fetch_usps",
    "get_data_home",
    "load_dataset",
    "load_digits",
    "load_idx_folder",
    "read_idx",
    "read_neighbors",
    "read_vectors",
    "sample_page",
]
