"""The commands: what each word of the command line does."""
