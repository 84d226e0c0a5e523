"""The language an assistant speaks: typed tools, money, errors. No I/O, and nothing of ours imported."""
