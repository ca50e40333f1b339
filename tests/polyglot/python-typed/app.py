"""A component that knows nothing of Muster: ordinary functions in Python, which become commands."""

from collections import Counter

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.texts import Count


class Texts(exports.Texts):
    def count_words(self, text: str, at_most: int | None) -> list:
        if not text.split():
            raise Err("there is no word")
        # Not `most_common`: it imports a module when it is called, and then there are no files to import from.
        counted = sorted(Counter(text.split()).items(), key=lambda pair: -pair[1])
        return [Count(word, times) for word, times in counted[:at_most]]

    def reverse(self, bytes: bytes) -> bytes:
        return bytes[::-1]
