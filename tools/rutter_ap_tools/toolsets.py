"""Toolsets: the parts of the catalogue an operator can offer on their own."""

from __future__ import annotations

from typing import Literal, get_args

Toolset = Literal["bills", "payments", "credits", "files", "ledger", "reports"]
TOOLSETS: tuple[str, ...] = get_args(Toolset)
