"""Questions asked in the chat: each accepts one answer, however often and over whichever protocol it is repeated."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, select, update

from rutter_ap_server.clock import stamp
from rutter_ap_server.store.changes import Recorded
from rutter_ap_server.store.ready import Ready, changing
from rutter_ap_server.store.schema import questions


@dataclass(frozen=True, slots=True)
class Burnt:
    """A question that was answered just now: what it was about, and what it was bound to."""

    proposal_id: str
    fingerprint: str
    statement: str


class Questions:
    """Reads and writes inside the caller's transaction."""

    def __init__(self, connection: Recorded, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def ask(self, proposal_id: str, fingerprint: str, valid_seconds: int, *, statement: str) -> str:
        """Records a question about a proposal and its current facts, and the digest of the statement it shows.

        Returns the question's unguessable id.
        """
        question_id = secrets.token_urlsafe(24)
        values = {
            "id": _key(question_id),
            "proposal_id": proposal_id,
            "fingerprint": fingerprint,
            "asked_at": stamp(self._now),
            "expires_at": stamp(self._now + timedelta(seconds=valid_seconds)),
            "statement": statement,
        }
        self._connection.add(questions, values)
        return question_id

    def burn(self, question_id: str, answer: str) -> Burnt | None:
        """Takes an answer before anything is judged by it; None for a question that takes none, or none any more."""
        its_own = questions.c.id == _key(question_id)
        done = self._connection.execute(
            update(questions)
            .where(its_own, questions.c.answered_at.is_(None), questions.c.expires_at > stamp(self._now))
            .values(answered_at=stamp(self._now), answer=answer)
        )
        if not done.rowcount:
            return None
        row = self._connection.execute(select(questions).where(its_own)).one()
        return Burnt(row.proposal_id, row.fingerprint, row.statement or "")

    def statement(self, question_id: str) -> str:
        """The digest of the statement that the question showed; empty for an unknown question."""
        row = self._connection.first(_STATEMENT, {"own": _key(question_id)})
        return row.statement or "" if row is not None else ""

    def answer(self, question_id: str, proposal_id: str, fingerprint: str, answer: str) -> bool:
        """Accepts an answer. False when it was answered before, has expired, or was asked about other facts."""
        asked = {"own": _key(question_id), "of": proposal_id, "facts": fingerprint, "now": stamp(self._now)}
        return bool(self._connection.change(_ANSWER, {**asked, "answered_at": stamp(self._now), "answer": answer}))


_ITS_OWN = questions.c.id == bindparam("own")
_STATEMENT = Ready(select(questions.c.statement).where(_ITS_OWN))
_ANSWER = changing(
    questions,
    and_(
        _ITS_OWN,
        questions.c.proposal_id == bindparam("of"),
        questions.c.fingerprint == bindparam("facts"),
        questions.c.answered_at.is_(None),
        questions.c.expires_at > bindparam("now"),
    ),
    ("answered_at", "answer"),
)


def _key(question_id: str) -> str:
    """What is stored of an id, so that nobody can answer a question by reading the database."""
    return hashlib.sha256(question_id.encode("utf-8", "surrogatepass")).hexdigest()
