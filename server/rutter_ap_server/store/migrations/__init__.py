"""The steps from each released store to the next: a step is never changed once released, only followed by another.

A step is a module with Alembic's `revision` and `down_revision` and an `upgrade` that is handed its operations; it
spells its tables out, since `schema.py` moves on and what a step did must not. There is no way down: a newer store is
left alone by an older program.
"""
