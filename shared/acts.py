"""The acts of the operators' API, as tables: the way to each, who may, what it asks and what it answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import BaseModel

from shared.api_fields import Nothing, Reasoned
from shared.api_models import (
    ActOnCase,
    ActOnPerson,
    ApproveWish,
    CasePage,
    CaseQuery,
    CaseStory,
    Contact,
    Done,
    FindCase,
    OneCase,
    OpenedCase,
    OpenWish,
    PauseWish,
    PersonExport,
    StatusView,
)
from shared.checkup_models import CheckupView
from shared.doctor import Doctor
from shared.errands import Errands
from shared.letter_models import (
    DiscardWish,
    EndOfRun,
    Judgements,
    JudgeWish,
    LetterPage,
    LetterQuery,
    LetterStats,
    LetterView,
    OneLetter,
    ReplayWish,
)
from shared.letters import DeadLetters
from shared.operations import Operations
from shared.principal import OperatorRole
from shared.record_models import AuditPage, AuditQuery
from shared.records import Records
from shared.sending_models import EventJudgements, JudgeEvents, SendEvents
from shared.sendings import Sendings


@dataclass(frozen=True, slots=True)
class Act:
    """One thing operators can do. `do` takes who asks and what, and gives the answer."""

    method: str
    path: str
    role: OperatorRole
    asks: type[BaseModel]
    answers: type[BaseModel]
    do: Callable[..., Awaitable[BaseModel]]

    @property
    def name(self) -> str:
        """How it stands in the audit and in the OpenAPI document."""
        return self.do.__name__

    @property
    def is_audited(self) -> bool:
        """Whether it changes or reveals something: whatever asks for a reason."""
        return issubclass(self.asks, Reasoned)


def every_act(
    operations: Operations, letters: DeadLetters, errands: Errands, sendings: Sendings, doctor: Doctor, records: Records
) -> tuple[Act, ...]:
    """All of them."""
    begins = acts_in_hrs_place(errands, sendings)
    watches = acts_of_the_doctor(doctor) + acts_on_the_audit(records)
    return acts_of(operations) + acts_on_letters(letters) + begins + watches


def acts_of(operations: Operations) -> tuple[Act, ...]:
    """The acts on cases, people and the whole."""
    reader, operator, approver = OperatorRole
    return (
        Act("GET", "cases", reader, CaseQuery, CasePage, operations.list_cases),
        Act("POST", "cases/find", reader, FindCase, CaseStory, operations.find_case),
        Act("GET", "cases/{caseId}", reader, OneCase, CaseStory, operations.show_case),
        Act("POST", "cases/{caseId}/reveal", operator, ActOnCase, Contact, operations.reveal_contact),
        Act("POST", "cases/{caseId}/reissue", operator, ActOnCase, Done, operations.reissue),
        Act("POST", "cases/{caseId}/cancel", operator, ActOnCase, Done, operations.cancel),
        Act("POST", "cases/{caseId}/approve", approver, ApproveWish, Done, operations.approve),
        Act("POST", "people/export", approver, ActOnPerson, PersonExport, operations.export_person),
        Act("POST", "people/forget", approver, ActOnPerson, Done, operations.forget_person),
        Act("GET", "status", reader, Nothing, StatusView, operations.status),
        Act("POST", "pause", operator, PauseWish, Done, operations.pause),
        Act("POST", "resume", operator, Reasoned, Done, operations.resume),
    )


def acts_in_hrs_place(errands: Errands, sendings: Sendings) -> tuple[Act, ...]:
    """The acts that begin something."""
    reader, operator, _ = OperatorRole
    return (
        Act("POST", "cases/open", operator, OpenWish, OpenedCase, errands.open_case),
        Act("POST", "events/judge", reader, JudgeEvents, EventJudgements, sendings.judge_events),
        Act("POST", "events/send", operator, SendEvents, EventJudgements, sendings.send_events),
    )


def acts_of_the_doctor(doctor: Doctor) -> tuple[Act, ...]:
    """The acts on the worker's self-check."""
    reader = OperatorRole.READER
    return (
        Act("GET", "checkup", reader, Nothing, CheckupView, doctor.show_checkup),
        Act("POST", "checkup", reader, Nothing, CheckupView, doctor.ask_for_checkup),
    )


def acts_on_the_audit(records: Records) -> tuple[Act, ...]:
    """The act on what operators did."""
    return (Act("GET", "audit", OperatorRole.READER, AuditQuery, AuditPage, records.list_audit),)


def acts_on_letters(letters: DeadLetters) -> tuple[Act, ...]:
    """The acts on dead letters."""
    reader, operator, _ = OperatorRole
    return (
        Act("GET", "dead-letters", reader, LetterQuery, LetterPage, letters.list_letters),
        Act("GET", "dead-letters/stats", reader, Nothing, LetterStats, letters.letter_stats),
        Act("GET", "dead-letters/{sequence}", reader, OneLetter, LetterView, letters.show_letter),
        Act("POST", "dead-letters/judge", reader, JudgeWish, Judgements, letters.judge_letters),
        Act("POST", "dead-letters/replay", operator, ReplayWish, Judgements, letters.replay_letters),
        Act("POST", "dead-letters/discard", operator, DiscardWish, Judgements, letters.discard_letters),
        Act("POST", "dead-letters/end", operator, EndOfRun, Done, letters.end_run),
    )
