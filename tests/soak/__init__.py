"""A soak of the whole daemon: load, aborts, faults and restarts, and a table of what was promised and what was seen."""
