"""Where a new answer meets what was sent of a broken one: read letter by letter, so that no word is lost or doubled."""

from __future__ import annotations

# Letters from which on it is no chance that a continuation begins with words that were sent: with the last of them,
# and with all of them. Fewer may be the answer's own: a row of dashes, of zeros, of laughter.
LAST_WORDS, ALL_WORDS = 8, 3
LONGEST_LAST_WORDS = 400


class Beginning:
    """Reads along in an answer that begins with *sent*: one run of white space is like any other.

    `whole` once all words were there, `differs` once one was another.
    """

    def __init__(self, sent: str) -> None:
        self._words = sent.strip()
        self._at = 0
        self._spaced = True  # what is read stands in a run of white space, or at the very beginning
        self._space = _Space(sent)
        self._must_space = bool(self._words) and sent != sent.rstrip()
        self.whole = not self._words
        self.differs = False

    def take(self, text: str) -> str:
        """Read *text*; return what of it goes beyond."""
        for place, letter in enumerate(text):
            if self.whole:
                return self._beyond(text[place:])
            self._read(letter)
            if self.differs:
                break
        return ""

    def _read(self, letter: str) -> None:
        if letter.isspace():
            if not self._spaced:
                self.differs = not self._words[self._at].isspace()
                self._spaced = True
                while self._words[self._at].isspace():
                    self._at += 1
            return
        self._spaced = False
        self.differs = letter != self._words[self._at]
        self._at += 1
        self.whole = self._at == len(self._words)

    def _beyond(self, text: str) -> str:
        self.differs = self._must_space and not text[0].isspace()
        self._must_space = False
        return self._space.take(text)


class Joint:
    """Holds how a continuation begins until it is plain whether it says again what was sent: all of it, or its end.

    Who *repeats* always says all of it again, so that however little it was, it was not meant.
    """

    def __init__(self, sent: str, *, repeats: bool = False) -> None:
        self._sent = sent.rstrip()
        self._space = _Space(sent)
        self._held = ""
        self._again = 0  # how much of what is held was sent
        self._repeats = repeats
        self._all = Beginning(self._sent) if repeats or _letters(self._sent) >= ALL_WORDS else None
        earliest = max(len(self._sent) - LONGEST_LAST_WORDS, 1)
        self._starts = [
            at
            for at in range(earliest, len(self._sent))
            if self._sent[at - 1].isspace() and _letters(self._sent[at:]) >= LAST_WORDS
        ]
        self.open = True

    def take(self, text: str) -> str:
        """Take in *text*; return what may pass."""
        if not self.open:
            return self._space.take(text)
        if not text:
            return ""
        self._held += text
        if self._held[0].isspace() and not self._sent[:1].isspace():  # goes on after the last word
            self._all, self._starts = None, []
        self._read_all(text)
        self._read_last_words()
        return "" if self._all or self._starts else self.rest()

    def rest(self) -> str:
        """Return what is held and was not sent; from now on everything passes."""
        if (self._all or self._starts) and (self._repeats or _letters(self._held) >= LAST_WORDS):
            self._again = len(self._held)  # broke off while it said it again
        text, self._held, self.open = self._held[self._again :], "", False
        self._all, self._starts, self._again = None, [], 0
        return self._space.take(text)

    def _read_all(self, text: str) -> None:
        if self._all is None:
            return
        beyond = self._all.take(text)
        if self._all.differs:
            self._all = None
        elif self._all.whole:
            self._again = len(self._held) - len(beyond)
            self._all, self._starts = None, []

    def _read_last_words(self) -> None:
        going_on = []
        for at in self._starts:
            length = len(self._sent) - at
            if not self._sent.startswith(self._held[:length], at):
                continue
            if len(self._held) >= length:
                self._again = max(self._again, length)
            else:
                going_on.append(at)
        self._starts = going_on


class _Space:
    """The white space that was sent last: what comes again of it is left out."""

    def __init__(self, sent: str) -> None:
        self._left = sent[len(sent.rstrip()) :]

    def take(self, text: str) -> str:
        """Return *text* without the space that was sent before it."""
        if not self._left or not text:
            return text
        pairs = zip(self._left, text, strict=False)
        same = next((at for at, (sent, letter) in enumerate(pairs) if sent != letter), min(len(self._left), len(text)))
        self._left = self._left[same:] if same == len(text) else ""
        return text[same:]


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))
