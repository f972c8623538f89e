"""The tools, one module each: where it is, what it is told, what its makers say about it (with a link and a date)."""
