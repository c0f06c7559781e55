"""Ways to scan rows: brute force, by codes, streamed, masked; and what becomes of the rows found."""
