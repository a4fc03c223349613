"""Where data may live, who can reach it, and which port is whose."""

import os
import shutil
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
    root = tmp_path / "site"
    (root / "package").mkdir(parents=True)
    (root / "package.libs").mkdir()
    (root / "package.libs" / "library.so").touch()
    program = root / "package" / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    tmp_path.chmod(0o700)
    stranger = places.Account("stranger", 64000, 64000, switch=True)
    parts = (program, root / "package.libs", root / "not-there")
    copy = places.reachable_copy(root, parts, stranger, home / "copies" / "program-1")
    assert copy == home / "copies" / "program-1"
    assert (copy / "package" / "program").stat().st_mode & 0o005 == 0o005
    assert (copy / "package.libs" / "library.so").exists()
    program.write_text("changed")
    assert places.reachable_copy(root, parts, stranger, copy) == copy
    assert (copy / "package" / "program").read_text() == "#!/bin/sh\n"
    shutil.rmtree(copy.parent)


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
