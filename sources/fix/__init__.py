"""FIX logs of versions 4.0 to 5.0: tolerant of prefixes, junk, delimiters and bad checksums."""

from sources.fix.reader import FixCounts, FixReader

__all__ = ["FixCounts", "FixReader"]
