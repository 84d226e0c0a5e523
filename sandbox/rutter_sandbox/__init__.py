"""A Rutter to practise on: the documented wire over real double-entry books. It is not Rutter, and says so."""

from rutter_sandbox.sandbox import Sandbox, SandboxConnection, open_sandbox

__all__ = ["Sandbox", "SandboxConnection", "open_sandbox"]
