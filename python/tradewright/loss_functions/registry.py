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
for _name, _target in {
    "focal": "focal:FocalLoss",
    "label_smoothing": "label_smoothing:LabelSmoothingBCE",
    "weighted_bce": "weighted_bce:WeightedBCE",
    "cost_sensitive": "cost_sensitive:CostSensitiveLoss",
}.items():
    LossRegistry.register(_name, f"{_PACKAGE}.classification.{_target}", tags=["classification", "point"])
for _name, _target in {
    "mse": "mse:MSELoss",
    "mae": "mae:MAELoss",
    "huber": "huber:HuberLoss",
    "pseudo_huber": "pseudo_huber:PseudoHuberLoss",
    "quantile": "quantile:QuantileLoss",
}.items():
    LossRegistry.register(_name, f"{_PACKAGE}.regression.{_target}", tags=["regression", "point"])
for _name, _target in {"directional_loss": "directional:DirectionalLoss", "madl": "madl:MADL"}.items():
    LossRegistry.register(_name, f"{_PACKAGE}.trading_custom.{_target}", tags=["trading", "point"])
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
