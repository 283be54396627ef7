"""Command Code: the private NDJSON API of its command line client."""
