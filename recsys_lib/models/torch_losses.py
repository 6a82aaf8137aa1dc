"""What the networks minimise; each is written out with dense targets in the tests."""

from __future__ import annotations

import math

import torch
from torch.nn import functional


def over_all_items(
    kind: str, scores: torch.Tensor, rows: torch.Tensor, items: torch.Tensor
) -> torch.Tensor:
    """Return each user's loss (B,), "multinomial" or "bce": see `AutoEncoder`.

    Only the likes (`rows`, `items`) have a target of 1, so that of the targets nothing dense is
    made: for both losses what depends on them is the sum of the likes' own scores.
    """
    n_users, n_items = scores.shape
    own = scores.reshape(-1).index_select(0, rows * n_items + items)
    liked = scores.new_zeros(n_users).index_add(0, rows, own)
    if kind == "bce":
        return functional.softplus(scores).sum(dim=1) - liked
    counts = torch.bincount(rows, minlength=n_users)
    return counts * torch.logsumexp(scores, dim=1) - liked


def in_batch_softmax(
    scores: torch.Tensor, items: torch.Tensor, log_share: torch.Tensor
) -> torch.Tensor:
    """Return the loss (B,) of pairs whose rivals are the other pairs' items: see `TwoTower`.

    Parameters
    ----------
    scores : (B, B)
        Of each pair's user and each pair's item; those that belong together on the diagonal.
    items : (B,) int
        The pairs' items. The same item in another pair is no rival, and is left out.
    log_share : (B,)
        ln q of the items, q the probability that a pair drawn at random is the item's.

    Notes
    -----
    Popular items are rivals more often than others, and would be pushed down for it. A rival of
    share q counts 1 / ((B - 1) q) times, so that the sum that a pair's own item is measured against
    is, on average, the one over all items that anybody likes.
    """
    rivals = scores - (log_share + math.log(max(len(items) - 1, 1)))
    rivals = rivals.masked_fill(items[:, None] == items, -torch.inf)
    own = scores.diagonal()
    return torch.logaddexp(torch.logsumexp(rivals, dim=1), own) - own
