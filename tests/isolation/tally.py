"""How much was tried and how it ended, and the matrix that is printed of it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts attempts by (row, column) of the matrix, and collects what leaked."""

    title: str
    cells: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)

    def note(self, row: str, column: str, outcome: str) -> None:
        self.cells[row, column, outcome] += 1

    def leak(self, row: str, column: str, what: str) -> None:
        self.note(row, column, "LEAK")
        self.leaks.append(f"{row}, {column}: {what}")

    @property
    def attempts(self) -> int:
        return sum(self.cells.values())

    def lines(self) -> Iterable[str]:
        """The matrix as text: one line per row, the outcomes of each column side by side."""
        rows = sorted({row for row, _, _ in self.cells})
        columns = list(dict.fromkeys(column for _, column, _ in self.cells))
        table = [["", *columns]] + [[row, *(self._cell(row, column) for column in columns)] for row in rows]
        widths = [max(len(line[place]) for line in table) for place in range(len(columns) + 1)]
        yield f"{self.title}: {self.attempts:,} attempts, {len(self.leaks)} leaks"
        for line in table:
            yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()

    def _cell(self, row: str, column: str) -> str:
        counts = {outcome: count for (r, c, outcome), count in self.cells.items() if (r, c) == (row, column)}
        return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))

    def show(self) -> None:
        """Print it: `pytest -s` shows it, and a failing test does."""
        print("\n" + "\n".join(self.lines()))  # noqa: T201  the matrix is a result

    def require_no_leak(self) -> None:
        assert not self.leaks, "\n".join(self.leaks[:50])
