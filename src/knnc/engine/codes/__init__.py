"""Short codes of rows, whose distances bound the rows' own: how they are learnt, made and kept."""
