"""The kinds of write: one file each says how it is frozen, judged, sent, and recognised in the ledger."""
