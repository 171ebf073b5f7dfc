"""Text that came from elsewhere, made safe to show on a terminal."""

MAX_EXCERPT = 4000
"""How many characters a message shows of a text."""
MAX_CAUSES = 20
"""How many errors that led to one another are looked at: they may lead in a circle."""


def printable(text: str) -> str:
    """The text with what is not printable escaped: control characters, line ends, marks that turn its direction."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def excerpt(text: str) -> str:
    """The text for a message: printable, and cut where it is longer than anybody reads."""
    return printable(text) if len(text) <= MAX_EXCERPT else f"{printable(text[:MAX_EXCERPT])}…"


def escape_causes(error: BaseException) -> None:
    """Escapes the texts of an error and of those that led to it, which a traceback prints as they are."""
    cause: BaseException | None = error
    for _ in range(MAX_CAUSES):
        if cause is None:
            break
        cause.args = tuple(excerpt(text) if isinstance(text, str) else text for text in cause.args)
        cause = cause.__cause__ or cause.__context__
