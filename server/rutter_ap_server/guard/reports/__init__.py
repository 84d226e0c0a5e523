"""Reports about the guard's work: explanations, backtests, evidence and lists."""
