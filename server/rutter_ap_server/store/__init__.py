"""The store: durable state in whole transactions, SQLite on one machine, PostgreSQL for many."""
