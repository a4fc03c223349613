"""What users log in with: which e-mail addresses and passwords are taken. Pure."""

from __future__ import annotations

import re

# Loose on purpose: only a message that arrives proves an address.
EMAIL = re.compile(r"(?=.{3,255}\Z)[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")
LENGTH = range(10, 201)
# Of the lists of leaked passwords, the most common that are long enough for us.
_COMMON_ONES = """\
0000000000 0123456789 0987654321 1111111111 1122334455 1234512345 1234554321 1234567890 12345678900 12345678910
123456789a 123456789q 1234567891 12345qwert 123qweasdzxc 147258369a 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc 2222222222
3333333333 5555555555 7777777777 8888888888 9876543210 9999999999 a123456789 aaaaaaaaaa abcdefghij abcdefghijk
administrator asdfasdfasdf asdfghjkl1 asdfghjkl; basketball changeme123 changemenow computer123 football123 iloveyou12
iloveyou123 letmein123 letmein1234 liverpool1 manchester michelle123 minecraft1 monkey1234 parkstream1 passw0rd123
password01 password10 password11 password12 password123 password1234 password12345 passwordpassword princess123
q1w2e3r4t5 q1w2e3r4t5y6 qazwsxedc1 qazwsxedcrfv qwer1234qwer qwerty1234 qwerty12345 qwerty123456 qwertyqwerty
qwertyuiop qwertyuiop1 qwertyuiop123 qwertyuiop[] starwars123 sunshine123 superman123 welcome123 welcome1234
zaq12wsxcde zxcvbnm123 zxcvbnm1234 zxcvbnmasdfghjkl
"""
COMMON = frozenset(_COMMON_ONES.split())


def weakness(password: str, email: str) -> str | None:
    """What is wrong with a new password; None when nothing is. There are no rules on which characters it holds."""
    folded = password.casefold()
    if len(password) not in LENGTH:
        return f"a password has {LENGTH.start} to {LENGTH.stop - 1} characters"
    if folded in {email.casefold(), email.partition("@")[0].casefold()}:
        return "the password is the e-mail address"
    if folded in COMMON or len(set(folded)) == 1:
        return "this is one of the passwords that everybody tries first"
    return None
