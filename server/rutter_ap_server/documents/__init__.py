"""Bill documents: which files may be attached, what text they contain, and how they compare with a bill."""
