"""The read tools: what each one looks up in the ledger and how it shapes the result for an assistant."""
