"""Words and shapes: what every other part of the product means by its terms.

Nothing here does I/O, reads a clock or knows the stream engine.
"""
