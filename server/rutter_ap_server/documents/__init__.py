"""Documents of bills: files that may be attached, their text, and how they compare with a bill."""
