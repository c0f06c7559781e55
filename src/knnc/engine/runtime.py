"""Empty: image/_distortion.pyx imports it, until that line goes. The report is `knnc.runtime`."""
