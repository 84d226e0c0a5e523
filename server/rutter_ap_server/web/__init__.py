"""The approvals desk: pages on which a person releases or declines. Read `desk.py` first."""
