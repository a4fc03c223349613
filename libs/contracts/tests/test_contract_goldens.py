"""Each published Struct has one frozen payload, and today's code still reads and writes it."""

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

import parking_contracts
from parking_contracts import (
    alert,
    command,
    device,
    downlink_commands,
    local_days,
    reservation,
    reservation_commands,
    space,
    space_commands,
    streams,
    uplink,
)

GOLDEN = Path(__file__).parent / "golden"
# Declarations, a base, and a part of another message: none travels by itself.
NOT_MESSAGES = {
    *(streams.Stream, streams.Consumer, device.DeviceFact, uplink.Reception, command.CommandBody),
    *(
        reservation.ReservationFact,
        reservation_commands.Booking,
        alert.SpaceAlert,
        local_days.LocalDay,
        downlink_commands.Shade,
    ),
}
# A generic Struct is read as one of its kinds.
READ_AS: dict[type, Any] = {command.Command: command.Command[space_commands.CreateSite]}


def golden_name(struct: type) -> str:
    """`SpaceStateChanged` is `space_state_changed.v1.json`; a `SpaceStateChangedV2` would be its `.v2.json`."""
    name, _, version = re.fullmatch(r"(\w+?)(V(\d+))?", struct.__name__).group(1, 2, 3)
    return f"{re.sub(r'(?<!^)(?=[A-Z])', '_', name).lower()}.v{version or 1}.json"


def messages() -> list[type[msgspec.Struct]]:
    """Every Struct of the contracts that travels on the bus."""
    found = {}
    for info in pkgutil.iter_modules(parking_contracts.__path__, "parking_contracts."):
        for value in vars(importlib.import_module(info.name)).values():
            is_struct = isinstance(value, type) and issubclass(value, msgspec.Struct) and value is not msgspec.Struct
            if is_struct and value.__module__ == info.name and value not in NOT_MESSAGES:
                found[value.__qualname__] = value
    return [found[name] for name in sorted(found)]


each_message = pytest.mark.parametrize("struct", messages(), ids=lambda struct: struct.__name__)


def payload(struct: type) -> dict[str, Any]:
    return json.loads((GOLDEN / golden_name(struct)).read_text(encoding="utf-8"))


def decode(struct: type, message: dict[str, Any]) -> Any:
    return msgspec.json.decode(json.dumps(message), type=READ_AS.get(struct, struct))


def test_messages_and_goldens_match_one_to_one() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {golden_name(struct) for struct in messages()}


@each_message
def test_the_golden_names_every_field(struct: type[msgspec.Struct]) -> None:
    optional = {
        field.name for field in msgspec.structs.fields(struct) if field.default is msgspec.UNSET and not field.required
    }
    assert set(struct.__struct_fields__) - set(payload(struct)) <= optional


@each_message
def test_todays_struct_reads_its_golden_and_writes_it_the_same(struct: type[msgspec.Struct]) -> None:
    message = payload(struct)
    assert json.loads(msgspec.json.encode(decode(struct, message))) == message


@each_message
def test_an_unknown_field_is_ignored_in_events_and_refused_in_commands(struct: type[msgspec.Struct]) -> None:
    message = payload(struct)
    newer = {**message, "added_by_a_later_version": {"anything": [1, 2]}}
    if struct.__struct_config__.forbid_unknown_fields:
        with pytest.raises(msgspec.ValidationError, match="added_by_a_later_version"):
            decode(struct, newer)
    else:
        assert json.loads(msgspec.json.encode(decode(struct, newer))) == message


@each_message
def test_a_message_cannot_be_changed_once_made(struct: type[msgspec.Struct]) -> None:
    assert struct.__struct_config__.frozen


def test_every_space_event_has_a_versioned_type_of_its_own() -> None:
    every = space.EVENT_TYPES | alert.EVENT_TYPES
    types = list(every.values())
    assert len(set(types)) == len(types)
    for struct, name in every.items():
        golden, version = golden_name(struct).removesuffix(".json").rsplit(".", 1)
        assert name == f"parkstream.space.{golden.removeprefix('space_')}.{version}"


def test_space_events_on_the_bus_are_those_with_a_type() -> None:
    events = {struct for struct in messages() if struct.__module__ == space.__name__ and struct is not space.SpaceView}
    assert events == set(space.EVENT_TYPES)
