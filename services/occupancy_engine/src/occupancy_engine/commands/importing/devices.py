"""Rows that say how devices are set: found by DevEUI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from occupancy_engine.commands.devices import DeviceCommands
from occupancy_engine.commands.importing.asking import Asker, Change, Done, Values
from occupancy_engine.store import imports
from occupancy_engine.store.devices import lock_devices
from parking_chassis.refusals import invalid
from parking_contracts.device_commands import RegisterDevice
from parking_contracts.errors import Refusal


class DeviceRows:
    """Devices that change are locked in the order of everybody."""

    def __init__(self, asker: Asker, commands: DeviceCommands) -> None:
        self._asker = asker
        self._commands = commands
        self._settings: dict[str, dict[str, Any]] = {}

    async def load(self, rows: Sequence[Values]) -> None:
        """Read what is set for these devices."""
        connection, tenant_id = self._asker.connection, self._asker.tenant_id
        euis = {values["dev_eui"] for values in rows if values.get("dev_eui")}
        self._settings = await imports.device_settings(connection, tenant_id, euis)
        changing = {values["dev_eui"] for values in rows if callable(self.decide(values))}
        await lock_devices(connection, [(tenant_id, eui) for eui in sorted(changing)])

    def decide(self, values: Values) -> Done | Refusal | Change:
        """Find the device, and compare its settings."""
        if not values.get("dev_eui"):
            return invalid("dev_eui", "is missing")
        settings = self._settings.get(values["dev_eui"])
        if settings is not None and all(settings[name] == value for name, value in values.items()):
            return Done("unchanged", values["dev_eui"])
        return lambda: self._register(values)

    async def _register(self, values: Values) -> Done | Refusal:
        answer = await self._asker.ask(self._commands.register, RegisterDevice, values)
        if isinstance(answer, Refusal):
            return answer
        before = self._settings.get(answer.dev_eui)
        unset = {"name": "", "codec": None, "heartbeat_seconds": None, "confirm_seconds": 0}
        self._settings[answer.dev_eui] = {**(before or unset), **values}
        return Done("updated" if before is not None else "created", answer.dev_eui)
