"""The losses by name."""

from __future__ import annotations

from tradewright.loss_functions.base import BaseLoss
from tradewright.registry import Registry

__all__ = ["LossRegistry"]

#: Every loss by name: ``LossRegistry.create("bce", reduction="sum")``.
LossRegistry: Registry[BaseLoss] = Registry("loss", entry_points="tradewright.losses")

_PACKAGE = "tradewright.loss_functions"
# Strings, so that asking for one loss does not import the others.
LossRegistry.register(
    "bce",
    f"{_PACKAGE}.classification.binary_cross_entropy:BinaryCrossEntropy",
    aliases=["binary_cross_entropy"],
    tags=["classification", "point"],
)
LossRegistry.register("mse", f"{_PACKAGE}.regression.mse:MSELoss", tags=["regression", "point"])

for _name, _target, _aliases in (
    ("pairwise", "pairwise:PairwiseLogisticLoss", ["pairwise_logistic", "ranknet", "bpr"]),
    ("pairwise_hinge", "pairwise:PairwiseHingeLoss", []),
    ("lambdarank", "lambdarank:LambdaRankLoss", []),
    ("listwise", "listnet:ListNetLoss", ["listnet"]),
    ("listmle", "listmle:ListMLELoss", []),
    ("approx_ndcg", "approx_ndcg:ApproxNDCGLoss", []),
    ("ic", "ic:ICLoss", []),
    ("soft_spearman", "soft_spearman:SoftSpearmanLoss", []),
):
    LossRegistry.register(_name, f"{_PACKAGE}.ranking.{_target}", aliases=_aliases, tags=["ranking", "group"])
for _name, _target in (
    ("profit_based_loss", "profit:ProfitBasedLoss"),
    ("sharpe_loss", "sharpe:SharpeLoss"),
    ("sortino_loss", "sortino:SortinoLoss"),
    ("max_drawdown_loss", "drawdown:MaxDrawdownLoss"),
    ("calmar_loss", "drawdown:CalmarLoss"),
    ("crra_loss", "crra:CRRALoss"),
    ("cvar_loss", "cvar:CVaRLoss"),
    ("differential_sharpe", "differential_sharpe:DifferentialSharpeLoss"),
):
    LossRegistry.register(_name, f"{_PACKAGE}.trading_custom.{_target}", tags=["trading", "series"])
