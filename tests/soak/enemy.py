"""The long run against an enemy: so many steps, in worlds of sixty each, on SQLite or on PostgreSQL.

Every world has a seed of its own. One that breaks a promise is shown step by step, and `--only SEED` plays it again.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from contextlib import ExitStack

from support.enemy import World
from support.enemy_moves import ACTORS, Moves
from support.postgres import running_postgres

STEPS_OF_A_WORLD = 60


def play(seed: int, database_url: str, steps: int, tally: Counter[str]) -> list[str]:
    """One world; returns what happened if a promise was broken, else nothing."""
    chance, world = random.Random(seed), World(database_url)
    moves, actors = Moves(world), [chance.choice(ACTORS) for _ in range(steps)]
    try:
        for actor in actors:
            moves.act(actor, chance.choice)
        world.said.append("everything works again")
        world.settles()
    except Exception:  # noqa: BLE001 - whatever it is, it is shown with the steps that led to it
        return [*world.said, traceback.format_exc()]
    finally:
        tally["steps"] += len(world.said)
        tally["paid"] += len(world.left)
        tally.update(actors)
        world.close()
    return []


def main() -> int:
    """Plays worlds until that many steps were made, or one breaks a promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="play the world of this seed alone")
    parser.add_argument("--postgres", action="store_true")
    arguments = parser.parse_args()
    first = arguments.seed if arguments.only is None else arguments.only
    tally, seed, began = Counter[str](), first, time.monotonic()
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres()) if arguments.postgres else None
        while tally["steps"] < arguments.steps:
            with ExitStack() as one:
                url = one.enter_context(postgres.store_url()) if postgres else ""
                broken = play(seed, url, STEPS_OF_A_WORLD, tally)
            if broken:
                sys.stdout.write("\n".join(broken) + f"\nBROKEN: seed {seed}\n")
                return 1
            seed += 1
            if arguments.only is not None:
                break
    seconds = time.monotonic() - began
    did = f"{tally['steps']} steps, {tally['paid']} payments left, seeds from {first}, {seed - first} worlds"
    sys.stdout.write(f"{did}, {tally['steps'] / seconds:.0f} steps a second\n")
    for actor in dict.fromkeys(ACTORS):
        sys.stdout.write(f"{tally[actor]:>8}  {actor}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
