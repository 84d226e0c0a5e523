"""The doctor: checks the installation and says what to do. Read `examine.py` first."""
