"""Lists from an approximate index, for a catalogue of a million items and more.

The index is a graph of neighbours, walked towards a user's largest products (Malkov & Yashunin
2020; Morozov & Babenko 2018). It scores a small part of the catalogue, and may miss an item.
"""

import numba
import numpy as np

from recsys_lib.errors import RecsysError
from recsys_lib.kernels.ranking import find_hits, score_pairs, top_n


class Index:
    """An index of items' vectors (n_items, D) float32; it needs the package usearch.

    `links` is the number of neighbours in the graph and `width` that of the candidates in a walk:
    more of either miss fewer items. Built by several `threads`, the graph, and with it a few lists,
    differ from run to run.
    """

    def __init__(self, item_vectors, *, links=16, width=100, threads=1):
        try:
            from usearch.index import Index as Graph
        except ModuleNotFoundError as error:
            raise RecsysError("no usearch is installed: pip install recsys-lib[ann]") from error
        self._items = np.ascontiguousarray(item_vectors, np.float32)
        widths = {"expansion_add": width, "expansion_search": width}
        ndim = self._items.shape[1]
        self._graph = Graph(ndim=ndim, metric="ip", dtype="f32", connectivity=links, **widths)
        self._graph.add(np.arange(len(self._items)), self._items, threads=threads)

    def top_n(self, user_vectors, seen_indptr, seen_indices, n):
        """Return each user's best `n` items not seen, and scores, as `ranking.top_n` does.

        An item may be missed; a score has the same bits. As many more items are searched for as the
        user has seen; a user for whom the graph finds fewer gets the exact list.
        """
        users, m = np.ascontiguousarray(user_vectors, np.float32), len(user_vectors)
        items, scores = np.full((m, n), -1, np.int32), np.full((m, n), -np.inf, np.float32)
        n_seen = np.diff(seen_indptr)
        sizes = 1 << np.ceil(np.log2(n + n_seen)).astype(int)  # few sizes: few calls
        for size in np.unique(sizes).tolist():
            who = np.flatnonzero(sizes == size)
            rows = users[np.append(who, who[0])]  # a single one would be answered in another form
            near = self._graph.search(rows, size, threads=numba.get_num_threads())
            whole = near.counts[:-1] == size
            for u in who[~whole]:
                task = users[u : u + 1], self._items, seen_indptr[u : u + 2], seen_indices, n
                items[u : u + 1], scores[u : u + 1] = top_n(*task)
            who, some = who[whole], np.sort(near.keys[:-1][whole].astype(np.int32))
            ends = np.append(0, np.cumsum(n_seen[who]))
            seen = np.arange(ends[-1]) + np.repeat(seen_indptr[who] - ends[:-1], n_seen[who])
            pairs = np.repeat(np.arange(len(who), dtype=np.int32), size), some.ravel()
            score = score_pairs(users[who], self._items, *pairs).reshape(some.shape)
            score[find_hits(some, ends, seen_indices[seen])] = -np.inf
            best = np.argsort(-score, kind="stable")[:, :n]
            items[who], scores[who] = (np.take_along_axis(one, best, 1) for one in (some, score))
        return items, scores
