"""`parkstream import` and `parkstream export`: files cut into parts, against the real gateway and engine."""

import asyncio
import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from parkstream.csv_chunks import read_csv
from parkstream.errors import OperatorError
from parkstream.main import cli
from stack.services import RunService

KEY = "pk_importing1_" + "k" * 43
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8)


async def said(environment: dict[str, str], *arguments: str, given: bytes = b"") -> tuple[int, str]:
    """Run the command in a thread; its status and what it said, an error's own words included."""
    runner = CliRunner(env={**environment, "COLUMNS": "200"})
    result = await asyncio.to_thread(runner.invoke, cli, list(arguments), input=given)
    error = result.exception
    return result.exit_code, error.problem if isinstance(error, OperatorError) else result.output


@pytest.fixture
async def platform(service_env: dict[str, str], run_service: RunService, free_port: Callable[[], int]):
    """Gateway and engine on servers of their own."""
    gateway = {"PARKSTREAM_BOOTSTRAP_API_KEY": KEY, "PARKSTREAM_HTTP_PORT": str(free_port())}
    environment = {**service_env, **gateway}
    await run_service("api_gateway", environment)
    await run_service("occupancy_engine", service_env)
    return environment


async def test_a_file_goes_in_part_by_part_and_comes_out_again(platform: dict[str, str], tmp_path: Path) -> None:
    assert await said(platform, "import", "sites", "-", given=b"name\nStreet\n") == (
        0,
        "sites: created 1, updated 0, unchanged 0, refused 0\n",
    )
    spaces = tmp_path / "spaces.csv"
    rows = "".join(f'Street;A{number};"Bay\n{number}"\n' for number in range(7))
    spaces.write_text(f"site;code;name\n{rows}\nNowhere;B1;[bold]\nStreet;B2;=1+1\n")
    arguments = ("import", "spaces", str(spaces), "--rows-at-once", "3")
    status, output = await said(platform, *arguments, "--dry-run")
    assert status == 1
    assert "spaces: would create 8, update 0, leave 0 as they are, refuse 1" in output
    assert "17" in output
    assert "RECORD_NOT_FOUND: there is no site Nowhere" in output
    status, output = await said(platform, *arguments, "--on-error", "stop")
    assert status == 1
    assert "spaces: created 6, updated 0, unchanged 0, refused 1; 2 were not taken" in output
    status, output = await said(platform, *arguments)
    assert status == 1
    assert "spaces: created 2, updated 0, unchanged 6, refused 1" in output

    status, exported = await said(platform, "export", "spaces")
    assert status == 0
    assert "'=1+1" in exported
    status, output = await said(platform, "import", "spaces", "-", "--every-row", given=exported.encode())
    assert (status, output.count("unchanged")) == (0, 9)
    assert "spaces: created 0, updated 0, unchanged 8, refused 0" in output
    target = tmp_path / "out.csv"
    assert await said(platform, "export", "spaces", "--output", str(target)) == (0, "")
    assert target.read_bytes().decode().replace("\r\n", "\n") == exported


async def test_what_is_wrong_with_a_file_is_said_in_plain_words(platform: dict[str, str], tmp_path: Path) -> None:
    status, output = await said(platform, "import", "spaces", str(tmp_path / "none.csv"))
    assert (status, "none.csv cannot be read: No such file" in output) == (1, True)
    status, output = await said(platform, "import", "sites", "-", given=b"name,colour\nX,red")
    assert status == 1
    assert "unknown column 'colour'" in output
    status, output = await said({**platform, "PARKSTREAM_HTTP_PORT": "1"}, "import", "sites", "-", given=b"name\nX")
    assert (status, "cannot be reached" in output) == (1, True)


@given(
    st.lists(st.tuples(TEXT, TEXT).filter(any), max_size=12),
    st.integers(1, 5),
    st.sampled_from(",;"),
)
def test_no_row_is_lost_or_changed_by_the_cutting(rows: list[tuple[str, str]], at_once: int, delimiter: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([("site", "code"), *rows])
    parts = list(read_csv(text.getvalue().encode()).chunks(at_once))
    found = []
    for part in parts:
        again = read_csv(part.body)
        assert again.header == ("site", "code")
        assert len(again.rows) == len(part.lines) <= at_once
        found += [cells for _, cells in again.rows]
    assert found == rows
    lines = [line for part in parts for line in part.lines]
    assert lines == sorted(set(lines))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"name\n\xff", "Byte 5"),
        (b"name,x\na,b\na\n", "Line 3 has 1 cells"),
        (b'name\n"a"b', "Line 2 cannot be read"),
    ],
)
def test_a_broken_file_is_refused_before_anything_is_sent(content: bytes, problem: str) -> None:
    with pytest.raises(OperatorError, match=problem):
        read_csv(content)
