"""A training in a process of its own: python child_training.py URI OUTPUT_DIR. Prints ``ready`` in its third epoch."""

import json
import sys

from descent import DescentModel, split_problem

from tradewright.base import Callback
from tradewright.tracking import MLflowLogger
from tradewright.training import ModelTrainer


class Ready(Callback):
    """Tells the parent that the loop runs."""

    def on_epoch_end(self, epoch, logs):
        if epoch == 2:
            print("ready", flush=True)


if __name__ == "__main__":
    uri, folder = sys.argv[1:]
    trainer = ModelTrainer(DescentModel(epochs=3000, pause=0.02), "signals", mlflow_uri=uri, output_dir=folder)
    result = trainer.train(*split_problem(), callbacks=[Ready(), MLflowLogger()], checks=None)
    # The script goes on after an interrupted training: nothing exits for it.
    print(json.dumps({"status": result.status, "run_id": result.run_id, "turns": len(result.history)}), flush=True)
