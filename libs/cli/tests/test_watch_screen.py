"""What `watch` draws: every space and the latest changes, never more than the terminal has room for."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest
from rich.console import Console

from parking_contracts.space import Layer, SpaceState, SpaceStateChanged
from parkstream.board import Board, ListedSpace, Site
from parkstream.gateway_client import ServerSentEvent
from parkstream.mosaic import mosaic
from parkstream.screen import Screen, duration
from parkstream.watch import _save

NOW = datetime(2026, 7, 22, 16, tzinfo=UTC)
STREET, HARBOUR = Site(UUID(int=1), "Street"), Site(UUID(int=2), "Harbour")


def spaces(site: Site, count: int, state: SpaceState = SpaceState.FREE) -> list[ListedSpace]:
    return [
        ListedSpace(
            id=uuid4(),
            site_id=site.id,
            code=f"A-{number:03}",
            name=f"{site.name} A-{number:03}",
            state=state,
            state_layer="sensor",
            state_since=NOW - timedelta(minutes=7),
            version=1,
        )
        for number in range(count)
    ]


def occupy(board: Board, space: ListedSpace) -> None:
    event = SpaceStateChanged(
        tenant_id=uuid4(),
        site_id=space.site_id,
        space_id=space.id,
        code=space.code,
        zone=None,
        kind="standard",
        previous=space.state,
        state=SpaceState.OCCUPIED,
        layer=Layer.SENSOR,
        reason="",
        source="uplink",
        cause="uplink:0101010101010101:7",
        request_id=None,
        occurred_at=NOW,
        changed_at=NOW,
        version=2,
    )
    board.apply(ServerSentEvent("space.state_changed", msgspec.json.encode(event).decode(), "2.0"))


def board_of(*listed: ListedSpace) -> Board:
    board = Board()
    board.load(list(listed), [STREET, HARBOUR])
    return board


def drawn(board: Board, width: int = 100, height: int = 30) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, record=True)
    console.print(Screen(board, lambda: NOW))
    return console.export_text().splitlines()


def test_every_space_is_a_square_below_the_name_of_its_site() -> None:
    lines = drawn(board_of(*spaces(STREET, 60), *spaces(HARBOUR, 3, SpaceState.OCCUPIED)))
    harbour, street = lines.index("Harbour  0 of 3 free"), lines.index("Street  60 of 60 free")
    assert lines[harbour + 1].split() == ["■"] * 3
    assert [len(lines[street + row].split()) for row in (1, 2)] == [50, 10]
    assert lines[2].startswith("□ 60 free   ■ 3 occupied")


def test_the_latest_change_says_what_it_was_and_for_how_long() -> None:
    listed = spaces(STREET, 4)
    board = board_of(*listed)
    occupy(board, listed[2])
    row = next(line for line in drawn(board) if "A-002" in line)
    assert row.split()[1:] == ["Street", "A-002", "standard", "■", "occupied", "free", "7", "min", "sensor"]


@pytest.mark.parametrize(("width", "height"), [(40, 12), (80, 24), (100, 30), (220, 60)])
@pytest.mark.parametrize("count", [0, 1, 300, 5_000])
def test_it_fits_the_terminal(width: int, height: int, count: int) -> None:
    listed = spaces(STREET, count) + spaces(HARBOUR, count)
    board = board_of(*listed)
    for space in listed[:100]:
        occupy(board, space)
    lines = drawn(board, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_a_large_site_becomes_a_bar() -> None:
    lines = mosaic({"Street": spaces(STREET, 900) + spaces(STREET, 100, SpaceState.OCCUPIED)}, set(), 61, 10)
    assert [line.plain.rstrip("━").split() for line in lines] == [["Street", "900", "of", "1,000", "free"]]
    assert [(span.end - span.start, span.style) for span in lines[0].spans][-2:] == [(27, "green"), (3, "red")]


def test_more_sites_than_lines_are_counted() -> None:
    lines = mosaic({f"site {number}": spaces(STREET, 500) for number in range(9)}, set(), 60, 4)
    assert len(lines) == 4
    assert lines[-1].plain == "and 6 more sites"


def test_an_empty_platform_says_how_to_fill_it() -> None:
    assert any("parkstream simulate --demo" in line for line in drawn(board_of()))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, ""), (0, "0 s"), (59, "59 s"), (60, "1 min"), (3_900, "1 h 05 min"), (172_800, "2 d")],
)
def test_a_span_is_told_in_one_unit_or_two(seconds: int, said: str) -> None:
    assert duration(timedelta(seconds=seconds)) == said


def test_a_picture_loads_nothing_from_the_network(tmp_path: Path) -> None:
    path = tmp_path / "watch.svg"
    _save(Screen(board_of(*spaces(STREET, 5)), lambda: NOW), path)
    drawing = path.read_text(encoding="utf-8")
    assert "Street" in drawing
    assert "url(" not in drawing.replace("url(#", "")
    assert drawing.count("http") == drawing.count("http://www.w3.org/2000/svg") == 1
