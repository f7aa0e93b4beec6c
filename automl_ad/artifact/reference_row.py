"""The typical row that others are explained against: one that the model finds ordinary, and that nobody had.

An explanation starts from a "normal" row, and an artifact holds no rows but by accident (`knn`). So rows are
drawn feature by feature from the marginals, and beside them stands the row of their medians and modes; the
least strange of all is taken. Where features hang together closely, none of them may be ordinary: then
`reference_score` is high itself, and contributions say little. For images the draws are noise; but an image
is one feature, so that nothing has to be shared out. Shapes: R draws, F features, D encoded features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from automl_ad.errors import RowsError

if TYPE_CHECKING:
    from automl_ad.artifact.scorer import Scorer

Matrix = npt.NDArray[np.float64]
N_DRAWS = 256
"""A median of that many is within 3 % of the rows of the real one."""
N_IMAGES = 8
_KNOWN: WeakKeyDictionary[Scorer, tuple[Matrix, float]] = WeakKeyDictionary()


def reference_row(scorer: Scorer) -> tuple[Matrix, float]:
    """([D] the encoded typical row, its score), the same for every call. Raises RowsError without a score."""
    reference = _KNOWN.get(scorer)
    if reference is None:
        try:
            reference = _KNOWN[scorer] = _least_strange(scorer)
        except RowsError as error:
            raise RowsError(
                "the model cannot explain: a row drawn from its marginals has no score",
                "score without Explain",
            ) from error
    return reference


def _least_strange(scorer: Scorer) -> tuple[Matrix, float]:
    is_image = scorer.schema.kind == "image"
    drawn_RD = scorer.sample_encoded(N_IMAGES if is_image else N_DRAWS, seed=0)
    central_D = np.concatenate(
        [
            _central(drawn_RD[:, place], feature.kind)
            for feature, place in zip(scorer.schema.features, scorer.encoded_places, strict=True)
        ]
    )
    candidates_RD = np.vstack([central_D, drawn_RD])
    scores_R = scorer.score_encoded(candidates_RD)
    best = int(np.argmin(scores_R))
    return candidates_RD[best], float(scores_R[best])


def _central(drawn_RD: Matrix, kind: str) -> Matrix:
    """[D] the draw in the middle of a feature that has an order, else the most frequent one."""
    if kind in ("numeric", "timestamp"):
        return np.asarray(drawn_RD[np.argsort(drawn_RD[:, 0], kind="stable")[len(drawn_RD) // 2]])
    values, counts = np.unique(drawn_RD, axis=0, return_counts=True)
    return np.asarray(values[np.argmax(counts)])
