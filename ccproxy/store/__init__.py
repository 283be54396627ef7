"""This room is where responses are kept for a while: in this process's memory, or in a Redis that many processes share."""
