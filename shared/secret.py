"""The pass, in memory: a value that can be passed on but not printed, formatted, copied, compared or stored."""

import weakref
from typing import NoReturn, Self

_MASK = "Secret(***)"


class Secret:
    """Holds one pass between Graph's answer and Twilio's request. Only adapters/twilio.py calls `reveal`."""

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        _alive.add(self)

    def reveal(self) -> str:
        """The pass itself. Call it inside the expression that sends it, never into a variable that lives on."""
        return self._value

    def __repr__(self) -> str:
        return _MASK

    __str__ = __repr__

    def __format__(self, format_spec: str) -> NoReturn:
        raise TypeError("a Secret is not text")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be copied or stored")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret cannot be copied or stored")

    def __copy__(self) -> NoReturn:
        raise TypeError("a Secret cannot be copied or stored")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a Secret cannot be copied or stored")

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    @classmethod
    def redact(cls: type[Self], text: str) -> str:
        """`text` with every pass now in memory masked: the last net under a log line."""
        values = {secret._value for secret in list(_alive)} - {""}  # noqa: SLF001 - our own
        for value in sorted(values, key=len, reverse=True):  # one may begin with another
            text = text.replace(value, "***")
        return text


_alive: "weakref.WeakSet[Secret]" = weakref.WeakSet()
