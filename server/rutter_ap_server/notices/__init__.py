"""Notices: somebody is told when a person is needed. Read `notifier.py` first."""
