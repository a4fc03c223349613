"""The README's example is a complete codec that the registry takes and that reads what the text says."""

import re
from pathlib import Path

import pytest

from parking_codecs import CodecError, Observation, Registry

README = Path(__file__).parents[1] / "README.md"


def test_example_of_the_readme_works_as_it_stands() -> None:
    (example,) = re.findall(r'```python\n("""Acme Bay.*?)```', README.read_text(encoding="utf-8"), re.DOTALL)
    namespace: dict[str, object] = {"__name__": "acme_bay"}
    exec(compile(example, "acme_bay.py", "exec", dont_inherit=True), namespace)
    registry = Registry()
    registry.add(namespace["CODEC"], "README")
    assert registry.errors == []
    choice = registry.choose(None, "Acme Bay Sensor", "0101010101010101")
    assert choice is not None
    assert choice.sensor is not None
    assert choice.sensor.decode(2, bytes.fromhex("01b4f6")) == Observation(
        kind="heartbeat", occupied=True, battery_volts=3.6, temperature_celsius=-10.0
    )
    with pytest.raises(CodecError, match="expected 3 bytes"):
        choice.sensor.decode(2, b"\x01")
