"""Stages rewrite a turn's events between decoder and encoder."""
