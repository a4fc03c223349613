"""Where data may live, who can reach it, and which port is whose."""

import os
import socket
from pathlib import Path

import pytest

from parkstream import stack
from parkstream.embedded import places, ports
from parkstream.errors import OperatorError
from stack.servers import scratch_directory


@pytest.fixture
def home() -> Path:
    path = scratch_directory("places")
    yield path
    path.rmdir()


NOBODY = places.Account("nobody", 65534, 65534, switch=True)


@pytest.mark.parametrize(
    ("mode", "reached"), [(0o700, False), (0o750, False), (0o711, True), (0o755, True), (0o701, True)]
)
def test_a_directory_is_reached_by_its_modes(home: Path, mode: int, reached: bool) -> None:
    home.chmod(mode)
    assert places.can_reach(home / "missing" / "data", NOBODY) is reached


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must give way to another account")
def test_root_is_given_a_reachable_default_and_told_so(home: Path) -> None:
    home.chmod(0o700)
    chosen, why = places.choose_data_dir(home / ".parkstream", explicit=False)
    assert chosen.parent == places.ROOT_DATA_HOME
    assert "out of reach" in why
    assert str(chosen) in why
    with pytest.raises(OperatorError, match="Name another directory"):
        places.choose_data_dir(home / ".parkstream", explicit=True)


def test_a_reachable_place_is_taken_as_it_is(home: Path) -> None:
    assert places.choose_data_dir(home / ".parkstream", explicit=False) == (home / ".parkstream", "")


def test_binaries_out_of_reach_are_copied_once(home: Path, tmp_path: Path) -> None:
    source = tmp_path / "tree" / "program"
    source.parent.mkdir()
    source.write_text("#!/bin/sh\n")
    source.chmod(0o755)
    tmp_path.chmod(0o700)
    stranger = places.Account("stranger", 64000, 64000, switch=True)
    copy = places.reachable_tree(source, stranger, home / "copies" / "program-1")
    assert copy == home / "copies" / "program-1"
    assert copy.stat().st_mode & 0o005 == 0o005
    source.write_text("changed")
    assert places.reachable_tree(source, stranger, copy).read_text() == "#!/bin/sh\n"
    copy.unlink()
    copy.parent.rmdir()


def test_a_held_port_is_not_free_and_its_holder_is_known() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.accepts(port)
        assert f"(pid {os.getpid()})" in ports.holder(port)
    assert ports.is_free(port)


def test_free_ports_are_handed_out_once() -> None:
    assert len({ports.free_port() for _ in range(50)}) == 50


def test_a_port_asked_for_twice_is_refused() -> None:
    port = ports.free_port()
    twice = [stack.NeededPort(port, "one", "PARKSTREAM_ONE_PORT"), stack.NeededPort(port, "two", "PARKSTREAM_TWO_PORT")]
    with pytest.raises(OperatorError, match="asked for twice: for one and for two"):
        stack.check_ports(twice)
