"""How long a feed usually says nothing, and which silence of it would be odd.

Gaps of more than a second count, each once, and every second in which there was none. Averages
fade with the words since: a feed that is thin before the open is a dense one minutes after it.
"""

from domain.instants import SECOND

SILENCE_NS = 5 * SECOND
"""No shorter silence is odd."""
MOST_SILENCE_NS = 900 * SECOND
"""Any longer one is."""
WORD_NS = SECOND
"""What is said within this time of what was said before goes on without a gap."""
_WORDS = 64
"""Over so many words the averages reach back."""
_ONE_IN = 1e6
"""So many gaps of a healthy feed lie between two that look odd, were they exponential."""
_MARGIN = 1.5
"""Gaps of real feeds have longer tails than exponential ones."""
_LEAST_SHARE = 1.0 / 6.0
"""Where fewer words were gaps, they are taken as if it had been so many."""
_EXCESS_AT_FIRST = 0.5 * _LEAST_SHARE


class UsualGap:
    """Averages over a feed's words: a second of speech, or a gap. They change at gaps alone."""

    def __init__(
        self, excess_s: float = _EXCESS_AT_FIRST, share: float = 0.0, words: float = 0.0
    ) -> None:
        self.excess_s = excess_s
        """Of a word: its time beyond a second."""
        self.share = share
        """Of words that were gaps."""
        self.words = words

    def limit_ns(self, spoken_ns: int = 0) -> int:
        """Silence that is odd once the feed has spoken for `spoken_ns` after its last gap.

        After n exponential gaps with mean m the next is longer than m·n·(N^(1/n) − 1) once in N.
        """
        kept, words = self._after(spoken_ns)
        share = max(kept * self.share, _LEAST_SHARE)
        n = max(min(words, _WORDS) * share, 1.0)
        mean_s = kept * self.excess_s / share
        odd_s = _MARGIN * mean_s * n * (_ONE_IN ** (1.0 / n) - 1.0)
        return min(max(WORD_NS + round(odd_s * SECOND), SILENCE_NS), MOST_SILENCE_NS)

    def note(self, spoken_ns: int, gap_ns: int) -> int:
        """Take over a stretch of speech and the gap after it; returns what was odd in it, ns.

        An odd gap counts as if it had ended when it began to be.
        """
        limit = self.limit_ns(spoken_ns)
        kept, words = self._after(spoken_ns)
        excess_s = (min(gap_ns, limit) - WORD_NS) / SECOND
        self.excess_s = kept * self.excess_s + (excess_s - kept * self.excess_s) / _WORDS
        self.share = kept * self.share + (1.0 - kept * self.share) / _WORDS
        self.words = words + 1.0
        return limit

    def _after(self, spoken_ns: int) -> tuple[float, float]:
        """(what is left of the averages, words) after a stretch of speech."""
        seconds = spoken_ns / SECOND
        return (1.0 - 1.0 / _WORDS) ** seconds, self.words + seconds
