"""The scripted demo."""
