"""What to do about each thing the self-check finds; docs/doctor.md is made from this table."""

from collections.abc import Mapping
from typing import Final

from shared.findings import Check, Code

ABOUT: Final[Mapping[Check, str]] = {
    Check.SETTINGS: "settings a careful deployer would not leave so for good",
    Check.ROLES: "the app roles in the worker's own token, missing and in excess",
    Check.POLICY: "the tenant's Temporary Access Pass policy",
    Check.ACCESS: "Conditional Access: what guards registering security information, and what keeps joiners from it",
    Check.QUEUES: "receiving events, sending nudges, sending dead letters",
    Check.TABLES: "reading every table of the ledger",
    Check.LOGIN: "Twilio takes the API key for messages",
    Check.SENDER: "the sender of SMS",
    Check.WHATSAPP: "the WhatsApp sender, and the approval of each template",
    Check.COUNTRIES: "Twilio's geo permissions against ALLOWED_COUNTRIES",
    Check.REDACTION: "whether Twilio may drop texts at once, where that is asked for",
    Check.PUBLIC_URL: "the receipts' door answers at its public address",
    Check.CLOCK: "the worker's clock against Entra's",
}
"""What a check looks at."""

ADVICE: Final[Mapping[Code, tuple[str, str]]] = {
    Code.FINE: ("All is well.", ""),
    Code.NOT_USED: ("Not in use, so nothing to check.", ""),
    Code.NOT_READABLE: (
        "The worker may not look at this.",
        (
            "Nothing, if you have looked yourself. Else allow it: Conditional Access needs the app role "
            "Policy.Read.ConditionalAccess, Twilio an API key that may read senders, templates and geo permissions. "
            "Message Redaction cannot be read at all: a first message says 30029 where it is missing."
        ),
    ),
    Code.NO_ANSWER: (
        "It did not answer, or not in time.",
        "Wait for the next check. After three in a row it is a warning: look at the service.",
    ),
    Code.DENIED: (
        "It refuses the worker's identity or key.",
        (
            "Look at the detail: graph-denied, app roles (docs/prerequisites.md); bus-denied and ledger-denied, the "
            "roles of the identity on queues and tables; twilio-denied, the API key and the account."
        ),
    ),
    Code.BUG: ("The check itself failed.", "Look for run-failed in the worker's log, and tell us."),
    Code.REHEARSAL_ON: ("REHEARSAL is on: nobody gets a pass.", "Set it to false when you have seen enough."),
    Code.NO_RECEIPTS: (
        "PUBLIC_URL is not set: Twilio cannot report what became of messages.",
        "Give the door a public address and set PUBLIC_URL; without it Twilio is asked instead, later.",
    ),
    Code.NUMBER_FROM_EVENT: (
        "NUMBER_SOURCE is event: whoever writes events chooses numbers, where the directory has none.",
        "Keep numbers in the directory and choose directory or both.",
    ),
    Code.NO_NUMBER_HOLD: ("MOBILE_HOLD is 0: a number changed a minute ago gets a pass.", "Set it to 72h or more."),
    Code.NO_BREAK_GLASS: (
        "BREAK_GLASS_IDS is empty.",
        "Name your emergency accounts. They are refused as privileged anyway, while their roles can be seen.",
    ),
    Code.SINGLE_DAY_ON: (
        "SINGLE_DAY_PASSES is on: approvers can open passes for nine hours.",
        "Switch it off when the need is over; spare-key is the better way.",
    ),
    Code.NO_BUDGET: (
        "HOURLY_BUDGET is 0: nothing bounds how many passes a wrong file of HR's makes.",
        "Set it to what your busiest hour needs.",
    ),
    Code.NO_JOINERS_GROUP: (
        "JOINERS_GROUP is not set: a hire date alone makes a joiner, and less can be checked here.",
        "Name the group that the pass policy includes.",
    ),
    Code.METHODS_PASSED_OVER: (
        "METHODS_IGNORED names methods that people sign in with: who has one gets a pass for the asking.",
        "Leave email alone there; an approver lets through whom it refuses rightly.",
    ),
    Code.COUNTRIES_UNKNOWN: (
        "ALLOWED_COUNTRIES names what is no country of ISO 3166: no number is ever of it.",
        "Correct it: the United Kingdom is GB.",
    ),
    Code.ROLES_MISSING: (
        "App roles are missing from the worker's token.",
        (
            "Grant them (docs/prerequisites.md), and wait for up to 24 hours: Azure keeps the token of a managed "
            "identity for so long, whatever is restarted, and new roles are in the next one. A fresh identity with all "
            "roles has them at once. Where a directory role stands in for the first of them, this finding stays."
        ),
    ),
    Code.ROLES_BROAD: (
        "A role that can change every method of everybody stands in for lesser ones.",
        (
            "Grant those it stands for first, where your cloud has them, and when the worker's token has them (up to "
            "24 hours) take it away: sooner, nothing works."
        ),
    ),
    Code.ROLES_STAND_IN: (
        "Broader roles stand in for lesser ones that are not granted.",
        (
            "Grant the lesser ones first; when the worker's token has them (up to 24 hours) and this finding is gone, "
            "take the broader ones away. Taken away now, nothing works."
        ),
    ),
    Code.ROLES_IN_EXCESS: ("The identity may read more than Firstpass needs.", "Take these app roles away."),
    Code.ROLES_THAT_WRITE: (
        "The identity may change what Firstpass never changes: whoever takes the worker over can, too.",
        "Take these app roles away at once, and give other programs identities of their own.",
    ),
    Code.POLICY_DISABLED: ("The pass policy is off.", "Enable it for the joiners' group."),
    Code.POLICY_ONE_TIME_ONLY: (
        "The policy makes every pass one-time, and devices take more than one sign-in.",
        "Set one-time use to No.",
    ),
    Code.POLICY_TOO_SHORT: (
        "The longest pass allowed does not fit the steps of all devices.",
        "Raise the maximum lifetime, to 1440 minutes; until then joiners are refused with policy-too-short.",
    ),
    Code.POLICY_CUTS_PLAN: (
        "Passes are cut: joiners with several devices must begin earlier in the day.",
        "Raise the maximum lifetime, or shorten ARRIVAL_WINDOW.",
    ),
    Code.POLICY_MISSES_JOINERS: (
        "The joiners' group is not in the scope of the policy: their passes would not work.",
        "Include JOINERS_GROUP in the policy, itself or by a group it is in, and exclude none of these.",
    ),
    Code.POLICY_MAY_MISS_JOINERS: (
        "The joiners' group itself is not in the policy's scope, and the groups it is in could not be read.",
        "Include JOINERS_GROUP itself, or grant GroupMember.Read.All.",
    ),
    Code.POLICY_FOR_EVERYBODY: (
        "The policy includes all users: administrators could use a pass.",
        "Scope it to the joiners' group: the last line of defence.",
    ),
    Code.POLICY_TOO_LONG_FOR_WHATSAPP: (
        "Passes are longer than WhatsApp templates carry: all go by SMS.",
        "Choose 12 to 14 characters.",
    ),
    Code.POLICY_SHORT_PASSES: ("Passes are short for something that travels by SMS.", "Choose 12 to 14 characters."),
    Code.ACCESS_OPEN: (
        "No Conditional Access policy guards joiners' registering of security information.",
        "Add one: multifactor strength or a trusted place (docs/prerequisites.md). A pass satisfies it.",
    ),
    Code.ACCESS_REPORTED_ONLY: ("That policy only reports.", "Switch it on once its report is clean."),
    Code.ACCESS_TOO_STRONG: (
        "These policies (by id) ask joiners for more than a pass and a new device can give: they cannot register.",
        "Make an exception for the joiners' group, or ask for multifactor authentication, or a strength with passes.",
    ),
    Code.ACCESS_MAY_REFUSE: (
        "These policies (by id) keep joiners out in some places, on some devices, or if they are in its groups.",
        (
            "Look at each with Entra's What If, as a joiner at home with a new device. One that is as it should be "
            "stays here: only what is added is told."
        ),
    ),
    Code.QUEUE_MISSING: ("There is no such queue, or it is disabled.", "Create it, or correct the setting."),
    Code.SENDER_MISSING: ("Twilio does not know the sender of SMS.", "Correct TWILIO_FROM or the Messaging Service."),
    Code.SENDER_POOL_EMPTY: (
        "The Messaging Service has no sender: nothing can be sent (Twilio, 21703).",
        "Add a number, a short code or a sender id to its sender pool.",
    ),
    Code.SENDER_WITHOUT_SMS: ("That number cannot send SMS.", "Choose one that can."),
    Code.SENDER_BY_NAME: (
        "The sender is a name, and Twilio keeps no list of these.",
        "Send yourself a message in each country you allow; some want names registered.",
    ),
    Code.SMART_ENCODING_ON: (
        "The Messaging Service rewrites characters, and could change a pass.",
        "Switch Smart Encoding off there.",
    ),
    Code.WHATSAPP_SENDER_OFFLINE: ("The WhatsApp sender is not online.", "Look at it in Twilio's console."),
    Code.TEMPLATE_NOT_APPROVED: (
        "Templates that cannot be used: not approved, unknown, or not of the authentication kind.",
        "Have them approved as authentication templates, or take them out of WHATSAPP_TEMPLATES.",
    ),
    Code.COUNTRIES_BLOCKED: (
        "Twilio may not send to countries that are allowed here.",
        "Allow them in Twilio's geo permissions, or take them out of ALLOWED_COUNTRIES.",
    ),
    Code.COUNTRIES_OPEN: (
        "Twilio may send to countries nobody here needs: a way to fraud with expensive numbers.",
        "Close them in Twilio's geo permissions.",
    ),
    Code.URL_UNREACHABLE: ("Nothing answers at PUBLIC_URL.", "Look at the door, its name and its certificate."),
    Code.URL_NOT_OURS: (
        "Something else than the receipts' door answers there.",
        "Leave /api/receipts open (no sign-in, no proxy that changes it), and let PUBLIC_URL name the door.",
    ),
    Code.CLOCK_OFF: (
        "The worker's clock is not Entra's.",
        "Look at the host's time; passes would open at the wrong moment.",
    ),
}
"""What each code means, and what to do."""
