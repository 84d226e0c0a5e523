"""The migrations from each released store to the next. A released migration is never changed, only followed by another.

Each is a module with Alembic's `revision` and `down_revision` and an `upgrade` that takes Alembic's operations. It
spells its tables out, because `schema.py` changes over time and a migration must not. There are no downgrades: an older
program leaves a newer store alone.
"""
