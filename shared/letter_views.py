"""Which letters fit a question, and how a letter is shown: without anything personal. Pure."""

from datetime import UTC, datetime

from shared.events import DevicePath
from shared.judging import Known, Refusal, kind, names_of, paths_of
from shared.letter_models import LetterQuery, LetterView
from shared.oversight import Letter
from shared.plan import in_order
from shared.telemetry import scrub

REASON_LENGTH, DESCRIPTION_LENGTH, ID_LENGTH = 128, 1_000, 128


def fits(letter: Letter, asked: LetterQuery) -> bool:
    """What a letter itself can tell."""
    in_time = _utc(asked.since, letter.written_at) <= letter.written_at <= _utc(asked.until, letter.written_at)
    return in_time and asked.reason in (None, reason_of(letter))


def fits_too(shown: LetterView, asked: LetterQuery) -> bool:
    """What its case has to be asked for."""
    is_on_path = asked.device_path is None or asked.device_path in shown.device_paths
    return asked.min_replays <= shown.replays <= asked.max_replays and is_on_path


def _utc(moment: datetime | None, otherwise: datetime) -> datetime:
    """A bound; without a zone it is UTC."""
    if moment is None:
        return otherwise
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def view(known: Known) -> LetterView:
    """A letter without anything personal: texts on it are mostly ours, but anybody's could be."""
    letter, said = known.letter, known.said
    refusal = said if isinstance(said, Refusal) else None
    paths: list[DevicePath] = paths_of(known)
    event_id, event_type = names_of(letter)
    return LetterView(
        sequence=letter.sequence,
        mark=letter.mark,
        message_id=scrub(letter.message_id[:ID_LENGTH]),
        original_id=scrub(letter.original_id[:ID_LENGTH]),
        event_id=event_id,
        event_type=event_type,
        written_at=letter.written_at,
        reason=reason_of(letter),
        description=scrub(letter.description[:DESCRIPTION_LENGTH]),
        replays=known.replays,
        kind=kind(said),
        case_id=refusal.case_id if refusal else None,
        issuance=refusal.issuance if refusal else None,
        device_paths=[str(path) for path in in_order(paths)],
    )


def tombstone(letter: Letter, case_id: str | None) -> str:
    """What the audit keeps of a letter that is removed: enough to say which it was, and nothing personal."""
    event_id, _ = names_of(letter)
    told = {
        "letter": str(letter.sequence),
        "message": scrub(letter.message_id[:ID_LENGTH]),
        "case": case_id,
        "event": None if case_id else event_id,
        "reason": reason_of(letter),
    }
    return ", ".join(f"{name} {text}" for name, text in told.items() if text)


def reason_of(letter: Letter) -> str:
    """Why it died, in the words of whoever laid it aside."""
    return scrub(letter.reason[:REASON_LENGTH])
