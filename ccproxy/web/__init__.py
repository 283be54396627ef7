"""The client's side of the house: HTTP, routes, and one exchange from headers to last byte."""
