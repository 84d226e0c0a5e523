"""Looking things up in the ledger: what a name means, and reads shaped for an assistant."""
