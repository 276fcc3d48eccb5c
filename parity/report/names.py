"""Names of others, made safe to show: modules, files and cases may contain anything."""

from __future__ import annotations

import unicodedata

MOST = 160
"""Characters of a name that are shown; the middle of a longer one is left out."""

_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def shown(text: str, most: int = MOST) -> str:
    """A name on one line in which everything can be seen.

    What has no shape of its own (line breaks, controls, marks that turn the direction of text,
    lone surrogates) is written as an escape, "\\\\u202e"; XML may contain all that is left.
    """
    whole = "".join(_escaped(letter) for letter in text)
    if len(whole) <= most:
        return whole
    end = most // 3
    return f"{whole[: most - end - 1]}…{whole[-end:]}"


def _escaped(letter: str) -> str:
    if unicodedata.category(letter) not in _UNSEEN:
        return letter
    return letter.encode("unicode_escape").decode("ascii")
