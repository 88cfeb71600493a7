"""Songs: what is known of one that was heard to its end, and the two files in which that is kept beside it."""
