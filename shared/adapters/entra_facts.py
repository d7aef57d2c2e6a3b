"""Reading Graph's answers: our own small types for what is on the wire, and what they say about person and policy.

Microsoft Graph reference, v1.0: user, group, authenticationMethod, temporaryAccessPassAuthenticationMethod and its
configuration. Whatever was asked for and is missing, or has another type, is a ValueError and never counts.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, NoReturn
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, PlainValidator
from pydantic.alias_generators import to_camel

from shared.errors import Halted, Reason
from shared.events import UserRef
from shared.guard_rails import Facts, LivePass
from shared.methods import Method
from shared.plan import Policy, Terms
from shared.secret import Secret

ECHO_TOLERANCE: Final = timedelta(seconds=1)
"""How far the start Graph echoes may lie from the one that was asked for."""
NUMBER_ATTRIBUTES = re.compile(
    r"mobilePhone|businessPhones|onPremisesExtensionAttributes/extensionAttribute([1-9]|1[0-5])"
)

_DEAD = frozenset({"DisabledByPolicy", "Expired", "OneTimeUsed"})
_GOOD = frozenset({"EnabledByPolicy", "NotYetValid"})
_TAP = "temporaryAccessPass"
_OUTSIDERS = frozenset({"Invitation", "SelfServiceSignUp"})
_USER_PROPERTIES = (
    "id", "accountEnabled", "userType", "employeeHireDate", "creationType", "externalUserState", "identities",
    "userPrincipalName",
)  # fmt: skip


# --- the questions ---


def search_url(user: UserRef) -> str:
    """The path that finds a person by a property, for the inside of a batch: it names them."""
    value = user.value.replace("'", "''")
    return f"/users?$filter={quote(f"{user.by} eq '{value}'", safe='')}&$select=id&$top=2"


def fact_urls(user_id: str, number_attribute: str) -> Mapping[str, str]:
    """What is asked about one person: the parts of the batch by name, as paths below the version."""
    user = f"/users/{quote(user_id, safe='')}"
    properties = ",".join((*_USER_PROPERTIES, number_attribute.partition("/")[0]))
    groups = "microsoft.graph.group?$select=id,isAssignableToRole,displayName&$top=999&$count=true"
    principal = quote(f"principalId eq '{user_id.replace("'", "''")}'", safe="")
    return {
        "user": f"{user}?$select={properties}",
        "roles": f"{user}/transitiveMemberOf/microsoft.graph.directoryRole?$select=id&$count=true",
        "groups": f"{user}/transitiveMemberOf/{groups}",
        "owned": f"{user}/ownedObjects/{groups}",
        "assignments": f"/roleManagement/directory/roleAssignments?$filter={principal}",
        "eligibility": f"/roleManagement/directory/roleEligibilityScheduleInstances?$filter={principal}",
        "methods": f"{user}/authentication/methods",
    }


# --- the shapes on the wire ---


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("not a time")  # noqa: TRY004 - pydantic makes a ValidationError of it
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None or moment.year in (MINYEAR, MAXYEAR):  # years that another time zone may not have
        raise ValueError("not a time")
    return moment.astimezone(UTC)


def _secret(value: object) -> Secret:
    if isinstance(value, str) and 8 <= len(value) <= 48 and value.isprintable() and not re.search(r"\s", value):  # noqa: PLR2004 - the policy's bounds on defaultLength
        return Secret(value)
    raise ValueError("not a pass")


type _Moment = Annotated[datetime, PlainValidator(_moment)]


class _Wire(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="ignore", frozen=True, alias_generator=to_camel, hide_input_in_errors=True
    )


class _Identity(_Wire):
    sign_in_type: str | None = None


class _User(_Wire):
    id: str
    account_enabled: bool
    user_type: str | None
    employee_hire_date: _Moment | None
    creation_type: str | None
    external_user_state: str | None
    identities: list[_Identity]
    user_principal_name: str = Field(repr=False)

    @property
    def is_external_guest(self) -> bool:
        """Signs in elsewhere; userType alone cannot tell (Microsoft Learn, Properties of a B2B collaboration user)."""
        return (
            self.creation_type in _OUTSIDERS
            or bool(self.external_user_state)
            or "#EXT#" in self.user_principal_name.upper()
            or any(identity.sign_in_type == "federated" for identity in self.identities)
        )


class _Group(_Wire):
    id: str
    is_assignable_to_role: bool | None  # null for most groups, and for every group the app may not read
    display_name: str | None = Field(default=None, repr=False)  # never null for a group the app may read


class _Object(_Wire):
    id: str = Field(min_length=1)  # a bound also keeps out what is no Unicode: an id goes into the next request


class _Method(_Wire):
    type_name: str = Field(alias="@odata.type", min_length=1)

    @property
    def kind(self) -> str:
        """See Facts.methods."""
        return self.type_name.removeprefix("#microsoft.graph.").removesuffix("AuthenticationMethod")


class _Dated(_Method):
    created_date_time: _Moment | None = None  # Graph does not know it of every method


class _Tap(_Wire):
    id: str = Field(min_length=1)
    created_date_time: _Moment | None = None
    start_date_time: _Moment | None = None
    lifetime_in_minutes: int | None = None
    is_usable: bool | None = None
    method_usability_reason: str | None = None

    def lives(self, now: datetime) -> bool:
        """Whether it is usable now or will be; yes, when Graph does not say enough to be sure."""
        if self.is_usable or self.method_usability_reason:
            return bool(self.is_usable) or self.method_usability_reason not in _DEAD
        begins = self.start_date_time or self.created_date_time
        if begins is None or self.lifetime_in_minutes is None:
            return True
        return (now - begins).total_seconds() < self.lifetime_in_minutes * 60


class Created(_Wire):
    """A pass just made. The raw pass is wrapped while the JSON is read and is in no field."""

    id: str = Field(min_length=1)
    secret: Annotated[Secret, PlainValidator(_secret)] = Field(alias="temporaryAccessPass")
    start_date_time: _Moment
    lifetime_in_minutes: int
    is_usable_once: bool
    is_usable: bool | None = None
    method_usability_reason: str | None = None

    @property
    def usable(self) -> bool:
        """Whether the person can sign in with it, now or from its start on."""
        return self.method_usability_reason not in _DEAD and (
            bool(self.is_usable) or self.method_usability_reason in _GOOD
        )

    def keeps(self, terms: Terms) -> bool:
        """Whether Graph echoes the start and the lifetime that were asked for."""
        start = terms.start_date_time
        echoed = start is None or abs(self.start_date_time - start) <= ECHO_TOLERANCE
        return echoed and self.lifetime_in_minutes == terms.lifetime_in_minutes


class _Target(_Wire):
    id: str


class _Configuration(_Wire):
    state: Literal["enabled", "disabled"]
    minimum_lifetime_in_minutes: int
    maximum_lifetime_in_minutes: int
    is_usable_once: bool
    # A navigation property, yet part of the answer without $expand (Microsoft Graph reference, Get
    # temporaryAccessPassAuthenticationMethodConfiguration, example).
    include_targets: list[_Target]
    exclude_targets: list[_Target]


class _Page[T](_Wire):
    value: list[T]


# --- what they say ---


def found_ids(page: object) -> list[str]:
    """The object ids of the people a search found."""
    return [person.id for person in _Page[_Object].model_validate(page).value]


def facts_from(parts: Mapping[str, Sequence[Any]], user_id: str, number_attribute: str, now: datetime) -> Facts:
    """The facts about one person from the pages of every part.

    Raises:
        ValueError: malformed, or about somebody else.
        Halted: `graph-denied`, the app may not see whether a group can hold roles.
    """
    user = _User.model_validate(parts["user"][0])
    if user.id.lower() != user_id.lower():
        raise ValueError("another user")
    groups, owned = _groups(parts["groups"]), _groups(parts["owned"])
    held = [_items(_Object, parts[name]) for name in ("roles", "assignments", "eligibility")]
    methods = [method for page in parts["methods"] for method in _Page[dict[str, Any]].model_validate(page).value]
    kinds = [_Method.model_validate(method).kind for method in methods]
    taps = [_Tap.model_validate(method) for method, kind in zip(methods, kinds, strict=True) if kind == _TAP]
    return Facts(
        user_id=user.id.lower(),
        account_enabled=user.account_enabled,
        is_external_guest=user.is_external_guest,
        mobile_phone=_number(parts["user"][0], number_attribute),
        employee_hire_date=user.employee_hire_date,
        groups=frozenset(group.id.lower() for group in groups),
        has_role=any(held) or any(group.is_assignable_to_role for group in (*groups, *owned)),
        methods=tuple(kinds),
        live_pass=next(iter(_live(taps, now)), None),
    )


def methods_from(pages: Sequence[object]) -> list[Method]:
    """The ways a person can sign in, from all pages of the list."""
    return [Method(method.kind, method.created_date_time) for method in _items(_Dated, pages)]


def passes_from(page: object, now: datetime) -> tuple[list[LivePass], list[str]]:
    """The live passes on a list of a person's passes, and the ids of all."""
    taps = _Page[_Tap].model_validate(page).value
    return _live(taps, now), [tap.id for tap in taps]


def policy_from(body: object) -> Policy:
    """The tenant's policy."""
    read = _Configuration.model_validate(body)
    return Policy(
        enabled=read.state == "enabled",
        minimum_lifetime_in_minutes=read.minimum_lifetime_in_minutes,
        maximum_lifetime_in_minutes=read.maximum_lifetime_in_minutes,
        is_usable_once=read.is_usable_once,
        include_targets=frozenset(target.id.lower() for target in read.include_targets),
        exclude_targets=frozenset(target.id.lower() for target in read.exclude_targets),
    )


def _items[T: _Wire](model: type[T], pages: Sequence[object]) -> list[T]:
    return [item for page in pages for item in _Page[model].model_validate(page).value]


def _groups(pages: Sequence[object]) -> list[_Group]:
    """Groups; of those an app may not read Graph gives the id and nulls (Microsoft Learn, Permissions overview)."""
    groups = _items(_Group, pages)
    if any(group.is_assignable_to_role is None and group.display_name is None for group in groups):
        raise Halted(Reason.GRAPH_DENIED)
    return groups


def _live(taps: Sequence[_Tap], now: datetime) -> list[LivePass]:
    return [LivePass(id=tap.id, created_at=tap.created_date_time) for tap in taps if tap.lives(now)]


def _number(user: Mapping[str, Any], attribute: str) -> str | None:
    """The number attribute of a user: as it is, the first of several, or a property of the extension attributes."""
    first, _, inner = attribute.partition("/")
    value = user[first] if first in user else _absent()
    if inner and value is not None:
        value = value[inner] if isinstance(value, dict) and inner in value else _absent()
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, str | None) else _absent()


def _absent() -> NoReturn:
    raise ValueError("number attribute")
