"""From a row of the timeline to words: what happened, why, and where to look further. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from api_gateway.spaces.timeline.models import Entry, References

Facts = Mapping[str, Any]
Words = tuple[str, str]
_BY_UPLINK = re.compile(r"uplink:([0-9a-f]{16}):(\d+)")
_BY_COMMAND = "command:"
_CLOCK = {
    "clock:silent": "its sensor has missed its reports",
    "clock:confirmed": "the change has lasted long enough to count",
    "clock:until": "its time is over",
}
_STEPS = {
    "created": "booked",
    "opened": "its window has begun: the space is held for it",
    "checked_in": "checked in",
    "obstructed": "somebody else stands there",
    "overstayed": "its time is over and the vehicle is still there",
    "completed": "completed",
    "cancelled": "cancelled",
    "no_show": "ended: nobody came",
    "active": "active",
}
_DOWNLINK_STEPS = {
    "sent": "handed to the network server",
    "transmitted": "on air",
}


def tell(row: Mapping[str, Any]) -> Entry:
    """An entry as clients see it."""
    facts: dict[str, Any] = row["facts"]
    what, why = _TELLERS[row["kind"]](facts)
    references = _references(facts)
    named = references.model_dump(exclude_none=True).keys()
    details = {name: value for name, value in facts.items() if name not in named and value not in (None, "")}
    return Entry(kind=row["kind"], at=row["at"], what=what, why=why, references=references, details=details)


def _references(facts: Facts) -> References:
    """The references that the facts name, those hidden in a cause included."""
    found = {name: facts[name] for name in References.model_fields if facts.get(name) is not None}
    cause: str = facts.get("cause", "")
    if match := _BY_UPLINK.fullmatch(cause):
        found |= {"dev_eui": match[1], "f_cnt": int(match[2])}
    elif cause.startswith(_BY_COMMAND):
        found["caller"] = cause.removeprefix(_BY_COMMAND)
    elif cause.startswith("reservation:"):
        found["reservation_id"] = cause.partition(":")[2]
    return References.model_validate(found)


def _command(facts: Facts) -> Words:
    status = facts["status"]
    return f"{facts['caller']} asked: {facts['action']}", f"answered {status}" if status else "its answer is not known"


def _uplink(facts: Facts) -> Words:
    if facts["decode_error"]:
        return "a frame that could not be read", facts["decode_error"]
    if facts["occupied"] is None:
        return "a frame that does not say whether the space is occupied", ""
    return f"the sensor says {'occupied' if facts['occupied'] else 'free'}", ""


def _arrival(_facts: Facts) -> Words:
    return "a vehicle arrived", ""


def _departure(_facts: Facts) -> Words:
    return "the vehicle departed", ""


def _reservation(facts: Facts) -> Words:
    detail = {"arrival": "its vehicle arrived", "api": "somebody said so"}.get(facts["detail"], facts["detail"])
    return f"reservation: {_STEPS.get(facts['event'], facts['event'])}", detail or ""


def _change(facts: Facts) -> Words:
    why: str = facts["reason"]
    if clock := _CLOCK.get(facts["cause"]):
        why = f"{why}: {clock}" if why else clock
    if facts["previous"] == facts["state"]:
        return f"still shown as {facts['state']}, now decided by {facts['layer']}", why
    return f"shown as {facts['state']} instead of {facts['previous']}", why


def _alert(facts: Facts) -> Words:
    return f"alert {facts['event']}: {facts['summary']}", facts["note"]


def _downlink(facts: Facts) -> Words:
    what = f"downlink {_DOWNLINK_STEPS.get(facts['status'], facts['status'])}: {_told(facts)}"
    by = [f"by gateway {facts['gateway_id']}"] if facts["gateway_id"] is not None else []
    by += [f"as frame {facts['f_cnt_down']}"] if facts["f_cnt_down"] is not None else []
    return what, ", ".join(filter(None, [*by, facts["detail"]]))


def _told(facts: Facts) -> str:
    """What the display is told: a command by its values, else the bytes."""
    match facts["command"]:
        case {"command": "colour", "red": red, "green": green, "blue": blue}:
            return f"colour {red:02X}{green:02X}{blue:02X}"
        case {"command": name, "state": value} | {"command": name, "count": value}:
            return f"{name} {value}"
        case {"command": name}:
            return str(name)
    return f"{facts['payload']} on port {facts['f_port']}"


_TELLERS: dict[str, Callable[[Facts], Words]] = {
    "command": _command,
    "uplink": _uplink,
    "arrival": _arrival,
    "departure": _departure,
    "reservation": _reservation,
    "change": _change,
    "alert": _alert,
    "downlink": _downlink,
}
