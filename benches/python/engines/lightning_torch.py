"""Lightning as its first example has it: a DataLoader over a TensorDataset, the Trainer's defaults."""

from __future__ import annotations

import logging
import tempfile
import warnings

import lightning
import numpy as np
import torch
from engines.torch_raw import BATCH, network
from torch.utils.data import DataLoader, TensorDataset

PACKAGE = "lightning"
#: Which share of the rows an epoch trains on.
TRAINED = 1.0


class Module(lightning.LightningModule):
    """The perceptron with its loss."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.network = network(n_features)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        X, y = batch
        loss = torch.nn.functional.mse_loss(self.network(X)[:, 0], y)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def fit(X: np.ndarray, y: np.ndarray, epochs: int) -> None:
    """Train from scratch; log files go to a folder that is thrown away."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    loader = DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(y)), batch_size=BATCH, shuffle=True)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(max_epochs=epochs, default_root_dir=folder, accelerator="cpu")
        trainer.fit(Module(X.shape[1]), loader)
