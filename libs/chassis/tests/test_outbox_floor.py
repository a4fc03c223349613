"""The floor of an outbox: as high as can be, and never above an event that may still appear."""

from parking_chassis.outbox_floor import LOOK_BELOW_SECONDS, OutboxFloor, Sighting


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def seen(last_id: int, ended: int, begun: int, *, is_whole: bool = True) -> Sighting:
    return Sighting(last_id, is_whole, ended, begun)


def floor_after(*sightings: Sighting) -> int:
    floor = OutboxFloor(Clock())
    floor.begin()
    for one in sightings:
        floor.gone(one)
    return floor.begin()


def test_it_rises_once_all_have_ended_that_could_have_taken_a_lower_id():
    assert floor_after(seen(10, 700, 705)) == 0
    assert floor_after(seen(10, 700, 705), seen(20, 704, 712)) == 0
    assert floor_after(seen(10, 700, 705), seen(20, 704, 712), seen(30, 705, 720)) == 10
    assert floor_after(seen(10, 700, 705), seen(20, 705, 712), seen(30, 712, 720)) == 20


def test_it_never_sinks():
    assert floor_after(seen(10, 700, 705), seen(3, 705, 706), seen(4, 706, 707)) == 10


def test_it_does_not_rise_above_what_a_full_look_left_behind():
    first = seen(1_000, 700, 705)
    truncated = seen(600, 710, 712, is_whole=False)
    assert floor_after(first, truncated) == 0
    assert floor_after(first, truncated, seen(1_100, 712, 713, is_whole=False)) == 1_000


def test_now_and_then_it_looks_from_the_beginning():
    clock = Clock()
    floor = OutboxFloor(clock)
    assert floor.begin() == 0
    floor.gone(seen(10, 700, 705))
    floor.gone(seen(20, 705, 712))
    assert floor.begin() == 10
    clock.now += LOOK_BELOW_SECONDS
    assert [floor.begin(), floor.begin()] == [0, 10]
