"""What the operator sees when something outside the program is wrong: one sentence and its remedy.

Raised anywhere below `parkstream.main`, which prints it without a traceback and ends with status 1.
"""


class OperatorError(Exception):
    """A condition that the person at the keyboard can mend.

    `str(error)` is the whole message; `remedy`, when given, is the next thing to do.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}\n  {remedy}" if remedy else problem)
        self.problem = problem
        self.remedy = remedy
