"""Made-up crowds with tastes, as matrices, for tests of what is learned from many."""

import numpy as np
from scipy import sparse

from chatpush.domain import ItemId
from chatpush.recommend.training.footprints import PURCHASE, Footprints


def crowd(
    users: int = 400, items: int = 120, groups: int = 6, per_user: int = 12, seed: int = 3
) -> sparse.csr_matrix[np.float32]:
    """Return users × items: each user mostly takes from their group's items."""
    chance = np.random.default_rng(seed)
    rows, columns = [], []
    size = items // groups
    for user in range(users):
        group = user % groups
        own = group * size + chance.permutation(size)[: per_user - 2]
        other = chance.integers(0, items, 2)
        taken = np.unique(np.concatenate((own, other)))
        rows += [user] * taken.size
        columns += taken.tolist()
    return sparse.csr_matrix(
        (np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(users, items), dtype=np.float32
    )


def prints(pairs: sparse.csr_matrix[np.float32]) -> Footprints:
    """Return the crowd as purchases, one a minute."""
    found = pairs.tocoo()
    count = found.row.size
    return Footprints(
        tuple(ItemId(f"i{n}") for n in range(pairs.shape[1])),
        pairs.shape[0],
        found.row.astype(np.int64),
        found.col.astype(np.int64),
        np.full(count, PURCHASE, dtype=np.int64),
        np.arange(count, dtype=np.int64) * 60_000,
    )
