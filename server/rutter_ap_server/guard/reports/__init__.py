"""What the guard tells about its work: explanations, backtests, evidence and lists."""
