"""What `make mutants` changes: each change is one that a test must notice, and none is only about words.

Cosmic Ray finds and makes the changes. Its own operators turn comparisons, constants and connectives around; those
below take a check, an operand, a statement, an argument or an element away, which is how guards are lost in practice.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators import operator, provider
from parso import parse

Position = tuple[tuple[int, int], tuple[int, int]]
# Those of Cosmic Ray: its others make many that any test notices.
_OURS_OF_THEIRS = re.compile(
    r"ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Is_IsNot|IsNot_Is|In_NotIn|NotIn_In)"
    r"|ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|BitOr_BitAnd|BitAnd_BitOr)"
    r"|ReplaceUnaryOperator_(Delete_Not|Delete_USub)"
    r"|Replace(TrueWithFalse|FalseWithTrue|BreakWithContinue|ContinueWithBreak)"
    r"|NumberReplacer|ExceptionReplacer|ZeroIterationForLoop"
)
# Arguments that are words for a person, and calls whose arguments are: how they read is not tested by mutation.
_WORDS = frozenset({"next_step", "message", "reason", "why", "words"})
_CALLS_ABOUT_WORDS = frozenset({"clean", "quote", "logger", "log", "_log", "AssertionError"})
# Functions that only put into words what others decide.
_ABOUT_WORDS = re.compile(r"describe|known|_known|_follows|__repr__|_?\w*words|_listed|_doubled|_after_all")


class Change(operator.Operator):  # type: ignore[misc]
    """An operator of our own: `changes` gives the texts that may stand where a node is, and where the change is."""

    def changes(self, node: Any) -> Iterator[tuple[Any, str]]:
        """Each node that is replaced, with the text in its place."""
        raise NotImplementedError

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """Where it can change something of the node."""
        for found, _ in self.changes(node):
            yield found.start_pos, found.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """The node with one change made."""
        found, text = list(self.changes(node))[index]
        new = parse(text)  # type: ignore[no-untyped-call]
        if found is node:
            return new
        node.children[next(place for place, child in enumerate(node.children) if child is found)] = new
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        """None: what they do is seen in the report."""
        return ()


class Conditions(Change):
    """The condition of an `if`, a choice or a comprehension holds never, or always."""

    def changes(self, node: Any) -> Iterator[tuple[Any, str]]:
        conditions = []
        if node.type == "if_stmt":
            conditions = [after for at, after in zip(node.children, node.children[1:], strict=False) if _is_if(at)]
        elif node.type == "test":
            conditions = [node.children[2]]
        elif node.type == "comp_if":
            conditions = [node.children[1]]
        for condition in conditions:
            for constant in ("False", "True"):
                yield condition, _before(condition) + constant


class DropStatement(Change):
    """A call or an assignment to something's part is left out."""

    def changes(self, node: Any) -> Iterator[tuple[Any, str]]:
        if node.type == "simple_stmt":
            said = node.children[0]
            target = said.children[0] if said.type == "expr_stmt" else said
            if target.type in ("atom_expr", "power"):
                yield said, f"{_before(said)}pass"


class DropOperand(Change):
    """One part of an `and` or an `or` is left out."""

    def changes(self, node: Any) -> Iterator[tuple[Any, str]]:
        if node.type in ("and_test", "or_test"):
            operands = node.children[::2]
            for left_out in operands:
                kept = [one.get_code() for one in operands if one is not left_out]
                yield node, f" {node.children[1].value} ".join(kept)


class DropElement(Change):
    """A named argument of a call, or an element of a literal, is left out."""

    def changes(self, node: Any) -> Iterator[tuple[Any, str]]:
        if node.type == "trailer" and len(node.children) == 3 and _is_named(node.children[1]):
            yield node.children[1], _before(node.children[1])
        elif node.type in ("arglist", "testlist_comp", "dictorsetmaker") and any(map(_is_comma, node.children)):
            parts: list[list[Any]] = [[]]
            for child in node.children:
                if _is_comma(child):
                    parts.append([])
                else:
                    parts[-1].append(child)
            parts = [part for part in parts if part]
            for part in parts:
                if node.type != "arglist" or _is_named(part[0]):
                    kept = ["".join(child.get_code() for child in one) for one in parts if one is not part]
                    # One element alone is still a tuple.
                    yield node, ",".join(kept) + ","


def _is_if(node: Any) -> bool:
    return bool(node.type == "keyword" and node.value in ("if", "elif"))


def _is_comma(node: Any) -> bool:
    return bool(node.type == "operator" and node.value == ",")


def _is_named(node: Any) -> bool:
    if node.type != "argument" or getattr(node.children[1], "value", "") != "=":
        return False
    return str(node.children[0].value) not in _WORDS


def _before(node: Any) -> str:
    prefix: str = node.get_first_leaf().prefix
    return prefix


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one change: where, what the changed lines were and are, and its whole source."""

    module: str
    function: str
    # Those of its statement, and those of the function around it.
    lines: tuple[int, int]
    around: tuple[int, int]
    was: str
    now: str
    source: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is known by, wherever its lines move to."""
        return (self.module, self.function, self.was, self.now)

    @property
    def digest(self) -> str:
        """The same, short."""
        return hashlib.sha256("\0".join(self.key).encode()).hexdigest()[:16]


def mutants_of(module: str, source: str, is_wanted: Callable[[str], bool] = lambda function: True) -> Iterator[Mutant]:
    """Every change of a module, in the order of its lines; two operators that make the same change count once.

    `is_wanted` leaves only those in functions of such names.
    """
    tree, found = ast.parse(source), dict[str, Mutant]()
    left_out, statements = list(_left_out(tree)), [one for one in ast.walk(tree) if isinstance(one, ast.stmt)]
    # A definition at a time: what is parsed again for each change is short.
    parts = get_ast(source).children
    codes = [part.get_code() for part in parts]
    for at, part in enumerate(parts):
        nodes = list(ast_nodes(part))
        for each in _operators():
            positions = [position for node in nodes for position in each.mutation_positions(node)]
            for occurrence, (start, stop) in enumerate(positions):
                name = _function(statements, start[0])
                if not is_wanted(name) or any(first <= start and stop <= last for first, last in left_out):
                    continue
                changed = _changed(codes[at], each, occurrence)
                whole = "".join([*codes[:at], changed or "", *codes[at + 1 :]])
                if changed is None or whole in found or not _is_new(changed, codes[at]):
                    continue
                was, now = _difference(source, whole)
                lines = _statement(statements, start[0])
                found[whole] = Mutant(module, name, lines, _around(statements, start[0]) or lines, was, now, whole)
    return iter(sorted(found.values(), key=lambda one: (one.lines, one.was, one.now)))


def _changed(code: str, each: Any, occurrence: int) -> str | None:
    try:
        return cast("str | None", mutate_code(code, each, occurrence))
    except AttributeError:
        # Cosmic Ray's replacement of exceptions does not know one that is named by its module.
        return None


def _operators() -> Iterator[Any]:
    theirs = provider.OperatorProvider()
    for name in theirs:
        if _OURS_OF_THEIRS.fullmatch(name):
            yield theirs[name]()
    yield from (Conditions(), DropStatement(), DropOperand(), DropElement())


def _is_new(changed: str, before: str) -> bool:
    try:
        return ast.dump(ast.parse(changed)) != ast.dump(ast.parse(before))
    except SyntaxError:
        return False


def _left_out(tree: ast.Module) -> Iterator[Position]:
    """Where nothing is changed: types, decorators, assertions of what the types say, and words for people."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from map(_place, filter(None, [*node.decorator_list, node.returns]))
            if node.args.kwonlyargs and node.args.vararg is None:
                # The asterisk itself: without it, more ways to call would do.
                before = [*node.args.posonlyargs, *node.args.args, *node.args.defaults]
                ends = [_place(one)[1] for one in before] or [(node.lineno, node.col_offset)]
                yield max(ends), _place(node.args.kwonlyargs[0])[0]
            if _ABOUT_WORDS.fullmatch(node.name):
                yield _place(node)
        elif isinstance(node, ast.ClassDef):
            yield from map(_place, node.decorator_list)
        elif isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield _place(node.annotation)
        elif isinstance(node, ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
            yield _place(node)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.split(".")[0] in _CALLS_ABOUT_WORDS:
                yield _place(node)
            elif called.endswith("audit.append"):
                # That a step is recorded is tested; not each word of its entry.
                yield from map(_place, [*node.args, *node.keywords])
                yield _between(_place(node.args[0]), _place(node.keywords[-1]))


def _place(node: Any) -> Position:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def _between(first: Position, last: Position) -> Position:
    return first[0], last[1]


def _function(statements: list[ast.stmt], line: int) -> str:
    names = [
        one.name
        for one in statements
        if isinstance(one, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and one.lineno <= line <= (one.end_lineno or 0)
    ]
    return ".".join(names)


def _around(statements: list[ast.stmt], line: int) -> tuple[int, int] | None:
    """The body of the innermost function around a line."""
    found = [
        (one.body[0].lineno, one.end_lineno or 0)
        for one in statements
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.lineno <= line <= (one.end_lineno or 0)
    ]
    return max(found, default=None)


def _statement(statements: list[ast.stmt], line: int) -> tuple[int, int]:
    """The lines of the statement around a line; of a compound one, those up to that line."""
    around = [one for one in statements if one.lineno <= line <= (one.end_lineno or 0)]
    closest = max(around, key=lambda one: (one.lineno, -(one.end_lineno or 0)), default=None)
    if closest is None:
        return line, line
    is_compound = hasattr(closest, "body")
    return closest.lineno, line if is_compound else (closest.end_lineno or line)


def _difference(source: str, changed: str) -> tuple[str, str]:
    """The lines that differ, before and after, without their indentation."""
    old, new = source.splitlines(), changed.splitlines()
    start = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    end = next((at for at, (a, b) in enumerate(zip(old[::-1], new[::-1], strict=False)) if a != b), 0)
    end = min(end, len(old) - start - 1, len(new) - start - 1 if len(new) > start else 0)
    return tuple(" ".join(part.strip() for part in text[start : len(text) - end]) for text in (old, new))  # type: ignore[return-value]
