"""Case folding: what is one letter in any case, by Unicode's full folding as `str.casefold` has it.

Databases know other rules, by their version and locale, and PostgreSQL none at all of a column in the collation C.
So patterns are folded here: a letter becomes a regular expression of all its spellings, `ä` the pattern `(?:ä|Ä)`,
which PostgreSQL and RE2 understand alike and match to the letter. See docs/decisions/0022-one-case-folding.md.
"""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from functools import cache

LAST_CASED = 0x1E943
"""Unicode has no letter with cases behind this one."""
FREQUENT = ("ß", "ẞ", "İ")
"""The characters with an expansion that people write most."""

_SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}]")
_LIKE_PART = re.compile(r"\\.|.", re.DOTALL)
_WILDCARDS = {"%": ".*", "_": "."}
# What is not a letter by itself comes first: quotes, classes, controls, escapes, comments, names and flags of groups.
_REGEX_PART = re.compile(
    r"""\\Q.*?(?:\\E|$) | \\[pP](?:\{[^}]*\}|.) | \\c. | \\.
    | \(\?\#[^)]*\) | \(\?(?:P?<\w*>|[A-Za-z-]*)
    | (?P<bracket>\[\^?\]?(?:\[[:.=].*?[:.=]\]|\\.|[^\]\\])*\])
    | (?P<letter>.)""",
    re.DOTALL | re.VERBOSE,
)
_MEMBER = re.compile(
    r"\[[:.=].*?[:.=]\]|\\.|(?P<first>.)-(?P<last>[^\\\]])|(?P<letter>.)",
    re.DOTALL,
)


@cache
def expansions() -> dict[str, str]:
    """The characters that fold to several, such as ß to ss, with their folding."""
    return {character: folded for character, folded in _foldings().items() if len(folded) > 1}


def expanded(text: str) -> str:
    """A text with expansions in the place of the characters that have one; no letter changes its case."""
    return text if text.isascii() else text.translate(_expansion_table())


def text_pattern(text: str) -> str:
    """A regular expression that finds a text in expanded ones, in any case."""
    return "".join(map(_letter, text.casefold()))


def like_pattern(pattern: str) -> str:
    """A regular expression that is met by what is like a pattern of SQL's in any case."""
    parts = (_WILDCARDS.get(part) or _letter(part[-1]) for part in _LIKE_PART.findall(pattern))
    return f"^(?:{''.join(parts)})$"


def regex_pattern(pattern: str) -> str:
    """A regular expression that finds in any case what another one finds, for an engine that folds ASCII by itself."""
    # PostgreSQL reads what follows as plain text.
    return pattern if pattern.startswith("***") else _REGEX_PART.sub(_folded_part, pattern)


def spellings_of_prefix(text: str) -> list[list[tuple[str, int]]]:
    """What may stand at each place of a folded text in a name that begins with the text in any case.

    Each is a character, and how many places it takes. The last one may fold to more than the text has left: `ß` begins
    with the `s` of `stras`.
    """
    folded = text.casefold()
    longest = max(map(len, _spellings()))
    letters = []
    for place, letter in enumerate(folded):
        rest = folded[place:]
        parts = [rest[:length] for length in range(1, min(longest, len(rest)) + 1)]
        spellings = [
            (spelling, len(part))
            for part in parts
            for spelling in _spellings().get(part, (letter,) if part == letter else ())
        ]
        longer = (
            (character, len(rest))
            for character, expansion in expansions().items()
            if len(expansion) > len(rest) and expansion.startswith(rest)
        )
        letters.append([*spellings, *longer])
    return letters


@cache
def _foldings() -> dict[str, str]:
    """The characters that do not fold to themselves, with their folding."""
    characters = map(chr, range(LAST_CASED + 1))
    return {character: folded for character in characters if (folded := character.casefold()) != character}


@cache
def _expansion_table() -> dict[int, str]:
    return str.maketrans(expansions())


@cache
def _spellings() -> dict[str, Sequence[str]]:
    """The characters with the same folding, by that folding."""
    spellings = defaultdict(list)
    for character, folded in _foldings().items():
        spellings[folded].append(character)
    return {folded: [folded, *others] if len(folded) == 1 else others for folded, others in spellings.items()}


@cache
def _cased() -> Sequence[str]:
    """The characters of which there are several spellings."""
    return sorted(character for spellings in _spellings().values() for character in spellings)


def _spellings_of(character: str) -> Sequence[str]:
    return _spellings().get(character.casefold(), (character,))


def _letter(character: str) -> str:
    """A regular expression for a character: its spellings, and its expansion in any case."""
    folded = character.casefold()
    spellings = [_SPECIAL.sub(r"\\\g<0>", spelling) for spelling in _spellings_of(character)]
    if len(folded) > 1:
        spellings.append("".join(map(_letter, folded)))
    # Not in brackets: a server with the encoding SQL_ASCII would take the bytes of one character for several.
    return f"(?:{'|'.join(spellings)})" if len(spellings) > 1 else spellings[0]


def _folded_part(part: re.Match[str]) -> str:
    if part["bracket"]:
        return _folded_bracket(part["bracket"])
    letter = part["letter"]
    if letter is None or all(map(str.isascii, _spellings_of(letter))):
        return part[0]
    return _letter(letter)


def _folded_bracket(bracket: str) -> str:
    """A bracket expression with the spellings of its members."""
    opening = 2 if bracket.startswith("[^") else 1
    members = list(_MEMBER.finditer(bracket, opening, len(bracket) - 1))
    spellings = {spelling for member in members for spelling in _spellings_in(member)}
    # A hyphen is itself only at the end.
    end = -2 if members and members[-1][0] == "-" else -1
    return bracket[:end] + "".join(sorted(spellings)) + bracket[end:]


def _spellings_in(member: re.Match[str]) -> Sequence[str]:
    """The other spellings of a member of a bracket expression, which may be a range."""
    if (letter := member["letter"]) is not None:
        return [spelling for spelling in _spellings_of(letter) if spelling != letter]
    first, last = member["first"], member["last"]
    if first is None:
        return ()
    cased = _cased()
    within = cased[bisect_left(cased, first) : bisect_right(cased, last)]
    return [spelling for letter in within for spelling in _spellings_of(letter) if not first <= spelling <= last]
