"""What the mutation run changes, and that its lists name what is there."""

from __future__ import annotations

import tomllib
from pathlib import Path

from support.mutations import mutants_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCE = '''
"""A docstring, which nobody tests."""


@dataclass(frozen=True)
class Lease:
    limit: int | None = 5

    def holds(self, tx: Tx | None, *, now: int) -> bool:
        """Another one."""
        assert tx is not None
        if now >= self.limit:
            return False
        tx.move(self.id, held_by=self.owner, next_step="Try again in 5 minutes.")
        logger.info("moved %s", 1 + 1)
        return tx.open and self.owner == tx.owner

    def words(self) -> str:
        return "left" if self.limit > 3 else "gone"
'''


def changes() -> list[tuple[str, str]]:
    return [(one.was, one.now) for one in mutants_of("lease.py", SOURCE)]


def test_checks_steps_conditions_and_arguments_are_taken_away() -> None:
    made = changes()
    check, step = "if now >= self.limit:", 'tx.move(self.id, held_by=self.owner, next_step="Try again in 5 minutes.")'
    assert {(check, "if False:"), (check, "if True:"), (check, "if now > self.limit:")} <= set(made)
    assert (step, "pass") in made
    assert [now for was, now in made if was == step and "held_by" not in now and now != "pass"]
    last = "return tx.open and self.owner == tx.owner"
    shorter = {" ".join(now.split()) for was, now in made if was == last}
    assert {"return tx.open", "return self.owner == tx.owner", "return tx.open and self.owner != tx.owner"} <= shorter


def test_words_types_decorators_and_assertions_are_left_alone() -> None:
    made = changes()
    assert len(made) > 8
    for left_alone in ("docstring", "Another one", "dataclass", "logger", "assert", "def ", '"left"'):
        assert [was for was, _ in made if left_alone in was] == []
    # What is said to a person may read as it likes, and so may the types.
    assert [now for was, now in made if "next_step" in was and "next_step" not in now and now != "pass"] == []
    assert {now for was, now in made if was.startswith("limit")} == {
        "limit: int | None = 4",
        "limit: int | None = 6",
    }


def test_every_change_is_of_its_function_and_compiles() -> None:
    found = list(mutants_of("lease.py", SOURCE))
    assert {one.function for one in found} == {"Lease", "Lease.holds"}
    assert all(compile(one.source, "lease.py", "exec") for one in found)
    assert len({one.source for one in found}) == len(found)


def test_the_parts_name_what_is_there() -> None:
    parts = tomllib.loads((HERE / "parts.toml").read_text())
    assert len(parts) > 10
    for name, part in parts.items():
        assert set(part) == {"modules", "tests"}, name
        missing = [one for one in part["modules"] if not (ROOT / "server" / "rutter_ap_server" / one).is_file()]
        missing += [one for one in part["tests"] if not (ROOT / one).is_file()]
        assert missing == [], name
    modules = [module for part in parts.values() for module in part["modules"]]
    assert len(modules) == len(set(modules))


def test_each_explained_survivor_is_still_a_change() -> None:
    listed = [
        one for path in (HERE / "survivors").glob("*.toml") for one in tomllib.loads(path.read_text())["survivor"]
    ]
    assert len(listed) > 3
    assert all(len(one["reason"]) > 20 for one in listed)
    for module in {one["module"] for one in listed}:
        source = (ROOT / "server" / "rutter_ap_server" / module).read_text(encoding="utf-8")
        of_it = [one for one in listed if one["module"] == module]
        keys = {one.key for one in mutants_of(module, source, {one["function"] for one in of_it}.__contains__)}
        assert {(module, one["function"], one["was"], one["now"]) for one in of_it} - keys == set()
