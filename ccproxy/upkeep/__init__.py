"""Things that are refreshed on a timer: the model list, the client version, the live sessions."""
