"""A subset of captioned data that is balanced over a list of concepts."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_ssl.data.selection.checks import check_seed, uniforms

__all__ = ["MetadataBalancedSampler"]


class MetadataBalancedSampler:
    """Keeps samples so that no concept dominates: frequent concepts are thinned out, rare ones kept whole.

    A text matches an entry of the metadata if it contains it. With `n_e` the number of texts that match entry `e`, each
    match of a text survives with the probability `p_e = min(1, limit / n_e)`, independently of the others, and a
    sample is kept if one of its matches survives:

        P(keep i) = 1 - product over its entries e of (1 - p_e).

    A text that matches nothing is never kept. Draws are a pure function of the seed, the sample's number and the
    entry's number.

    Args:
        metadata: the entries, strings that are not empty and differ.
        limit: how many samples of an entry are expected at most, where it stands alone; positive. Infinity keeps all
            that match. The paper takes 20,000 for 400 million pairs.
        whole_words: whether an entry must stand between the ends of words. Defaults to False: any substring matches,
            as the paper says. The authors' code matches entries between spaces.
        case_sensitive: whether case matters. Defaults to False.
        seed: in [0, 2**32). Defaults to 0.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> sampler = MetadataBalancedSampler(["red", "blue"], limit=2)
    >>> texts = ["a red bird", "a blue bird", "a bird", "Blue and red"]
    >>> sampler.counts(texts).tolist(), sampler.select(texts).tolist()
    ([2, 2], [0, 1, 3])

    Reference: Xu et al., "Demystifying CLIP Data", ICLR 2024.
    """

    def __init__(
        self,
        metadata: Sequence[str],
        limit: float,
        whole_words: bool = False,
        case_sensitive: bool = False,
        seed: int = 0,
    ) -> None:
        self.metadata = _strings("metadata", metadata)
        self.case_sensitive = bool(case_sensitive)
        self.whole_words = bool(whole_words)
        self._entries = [self._plain(entry) for entry in self.metadata]
        if not all(entry.strip() for entry in self._entries):
            raise ValueError(f"`metadata` must hold no empty entry. Received: metadata={self.metadata}")
        if len(set(self._entries)) < len(self._entries):
            twice = next(entry for entry in self._entries if self._entries.count(entry) > 1)
            raise ValueError(f"`metadata` must hold no entry twice. Received: metadata=list with {twice!r} twice")
        number = isinstance(limit, int | float | np.integer | np.floating) and not isinstance(limit, bool)
        if not number or not limit > 0:
            raise ValueError(f"`limit` must be above 0. Received: limit={limit!r}")
        self.limit = float(limit)
        self.seed = check_seed(seed)

    def matches(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The numbers of the entries that each text matches, ascending.

        Args:
            texts: one for each sample.

        Returns:
            A list of N int64 arrays.
        """
        found = []
        for text in _strings("texts", texts):
            plain = self._plain(text)
            found.append(np.array([e for e, entry in enumerate(self._entries) if self._holds(plain, entry)], "int64"))
        return found

    def counts(self, texts: Sequence[str]) -> np.ndarray:
        """How many texts match each entry: int64 `[entries]`.

        Args:
            texts: one for each sample.
        """
        return self._counts(self.matches(texts))

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """With which probability each sample is kept: float64 `[N]`.

        Args:
            texts: one for each sample.
        """
        matches = self.matches(texts)
        survival = self._survival(self._counts(matches))
        return np.array([1.0 - np.prod(1.0 - survival[own]) for own in matches])

    def select(self, texts: Sequence[str]) -> np.ndarray:
        """Draws the subset.

        Args:
            texts: one for each sample.

        Returns:
            Int64 indices of the kept samples, ascending.

        Raises:
            ValueError: if there is no text, one is no string, or no sample is kept.
        """
        matches = self.matches(texts)
        survival = self._survival(self._counts(matches))
        samples, entries = np.repeat(np.arange(len(matches)), [len(own) for own in matches]), np.concatenate(matches)
        survives = uniforms(self.seed, 0, samples, entries)[0] < survival[entries]
        kept = np.unique(samples[survives]).astype("int64")
        if not len(kept):
            matched = sum(len(own) > 0 for own in matches)
            raise ValueError(
                "No sample is kept: `texts` must match the metadata, and `limit` must be high enough. "
                f"Received: texts={len(matches)} of which {matched} match, limit={self.limit}"
            )
        return kept

    def _plain(self, text: str) -> str:
        return text if self.case_sensitive else text.casefold()

    def _holds(self, text: str, entry: str) -> bool:
        if not self.whole_words:
            return entry in text
        start = text.find(entry)
        while start >= 0:
            end = start + len(entry)
            if not text[max(start - 1, 0) : start].isalnum() and not text[end : end + 1].isalnum():
                return True
            start = text.find(entry, start + 1)
        return False

    def _counts(self, matches: list[np.ndarray]) -> np.ndarray:
        return np.bincount(np.concatenate(matches), minlength=len(self._entries)).astype("int64")

    def _survival(self, counts: np.ndarray) -> np.ndarray:
        if math.isinf(self.limit):
            return np.ones(len(counts))
        return np.minimum(1.0, self.limit / np.maximum(counts, 1))


def _strings(name: str, values: Any) -> list[str]:
    if isinstance(values, str | bytes) or not len(values):
        raise ValueError(f"`{name}` must be a list of at least one string. Received: {name}={values!r}")
    for number, value in enumerate(values):
        if not isinstance(value, str):
            raise ValueError(f"`{name}` must hold strings only. Received: {name}=list with {value!r} at {number}")
    return [str(value) for value in values]
