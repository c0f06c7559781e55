"""What the machine and the process are asked for: threads, BLAS, memory, memory maps, progress."""
