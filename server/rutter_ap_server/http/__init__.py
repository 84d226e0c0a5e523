"""Serving many assistants over HTTP: who may ask, and how a server starts and ends."""
