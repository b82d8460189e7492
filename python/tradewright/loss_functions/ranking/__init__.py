"""Losses that rank the rows of a date against each other."""

from __future__ import annotations

from tradewright.loss_functions.ranking.approx_ndcg import ApproxNDCGLoss
from tradewright.loss_functions.ranking.ic import ICLoss
from tradewright.loss_functions.ranking.lambdarank import LambdaRankLoss
from tradewright.loss_functions.ranking.listmle import ListMLELoss
from tradewright.loss_functions.ranking.listnet import ListNetLoss
from tradewright.loss_functions.ranking.pairwise import PairwiseHingeLoss, PairwiseLogisticLoss
from tradewright.loss_functions.ranking.soft_spearman import SoftSpearmanLoss

__all__ = [
    "ApproxNDCGLoss",
    "ICLoss",
    "LambdaRankLoss",
    "ListMLELoss",
    "ListNetLoss",
    "PairwiseHingeLoss",
    "PairwiseLogisticLoss",
    "SoftSpearmanLoss",
]
