"""The shapes of what a client, a test or the demo may write; what does not fit is named."""
# ruff: noqa: UP013 - as tables the shapes keep Graph's names

import functools
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Required, TypedDict

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError

type Json = dict[str, Any]


def iso(moment: datetime) -> str:
    """A moment as Graph writes it: UTC, with Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("it needs an offset")
    return iso(moment)


def _entry(name: str, **unsaid: Any) -> BeforeValidator:
    """An object that holds `unsaid` too; a text alone stands for its property `name`."""

    def whole(given: Any) -> Any:
        given = {name: given} if isinstance(given, str) else given
        return unsaid | given if isinstance(given, dict) else given

    return BeforeValidator(whole)


Flag = bool | None
Words = str | None
Text = Annotated[str, Field(min_length=1)]
Moment = Annotated[str, AfterValidator(_moment)] | None
Guid = Annotated[str, Field(pattern=r"^(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"), AfterValidator(str.lower)]
Minutes = Annotated[int, Field(ge=10, le=43200)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

Target = TypedDict("Target", {"id": Required[Text], "targetType": Text, "isRegistrationRequired": bool}, total=False)
Policy = TypedDict("Policy", {
    "state": Literal["enabled", "disabled"], "isUsableOnce": bool, "defaultLength": Annotated[int, Field(ge=8, le=48)],
    "minimumLifetimeInMinutes": Minutes, "defaultLifetimeInMinutes": Minutes, "maximumLifetimeInMinutes": Minutes,
    "includeTargets": list[Target], "excludeTargets": list[Target],
}, total=False)  # fmt: skip
Role = TypedDict("Role", {"displayName": Required[Text], "isBuiltIn": bool, "directoryScopeId": Text}, total=False)
Roles = list[Annotated[Role, _entry("displayName", isBuiltIn=True, directoryScopeId="/")]]
Type = TypedDict("Type", {"@odata.type": Required[Text], "id": Text, "createdDateTime": Moment}, total=False)
Method = Annotated[Type, _entry("@odata.type")]
Group = TypedDict("Group", {
    "id": Text, "displayName": Words, "isAssignableToRole": Flag, "roles": Roles, "eligibleRoles": Roles,
    "owner": bool, "memberOf": list["Group"],
}, total=False)  # fmt: skip
User = TypedDict("User", {
    "id": Guid, "userPrincipalName": Words, "accountEnabled": bool, "employeeHireDate": Moment, "employeeId": Words,
    "userType": Words, "creationType": Words, "externalUserState": Words, "identities": list[Json],
    "displayName": Words, "givenName": Words, "surname": Words, "mail": Words, "otherMails": list[Text],
    "mobilePhone": Words, "businessPhones": list[Text], "jobTitle": Words, "officeLocation": Words,
    "preferredLanguage": Words, "usageLocation": Words, "createdDateTime": Moment, "onPremisesSyncEnabled": Flag,
    "roles": Roles, "eligibleRoles": Roles, "groups": list[Group], "methods": list[Method],
}, total=False)  # fmt: skip
Throttle = TypedDict(
    "Throttle", {"requests": Required[Positive], "seconds": Required[Positive], "operations": list[Text]}, total=False
)
Tenant = TypedDict("Tenant", {
    "accessPolicies": list[Json],
    "policy": Policy, "users": list[User], "pimLicensed": bool, "appRoles": list[Text], "replaceExisting": bool,
    "alphabet": Text, "nextCodes": list[Text], "throttle": Throttle | None,
}, total=False)  # fmt: skip
SignIn = TypedDict("SignIn", {"user": Required[Text], "pass": Required[Text], "registers": Words}, total=False)
Wish = TypedDict("Wish", {
    "@odata.type": Literal["#microsoft.graph.temporaryAccessPassAuthenticationMethod"], "startDateTime": Moment,
    "lifetimeInMinutes": int | None, "isUsableOnce": Flag,
}, total=False)  # fmt: skip
Part = TypedDict("Part", {
    "id": Required[Text], "method": str, "url": str, "headers": dict[str, Any], "body": Any, "dependsOn": list[Text],
}, total=False)  # fmt: skip
Batch = TypedDict("Batch", {"requests": Annotated[list[Part], Field(min_length=1)]})
_adapter: Any = functools.cache(TypeAdapter)


def read(shape: Any, document: Any, where: str) -> Any:
    """The document, if it has the shape; else a ValueError whose sentence names the first wrong field."""
    try:
        return _adapter(shape).validate_python(document, strict=True, extra="forbid")
    except ValidationError as invalid:
        wrong = invalid.errors()[0]
        field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in wrong["loc"])
        raise ValueError(f"{where}{field}: {wrong['msg']}.") from None
