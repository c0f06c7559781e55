"""Ways to scan rows: brute force, by codes, streamed. A collector keeps the rows found."""
