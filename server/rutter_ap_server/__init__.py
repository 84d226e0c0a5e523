"""The machinery behind the tools: everything in rutter-ap that does I/O."""
