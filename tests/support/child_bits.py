"""One training in a process of its own: python child_bits.py MODEL OUTPUT_DIR NOISE. Prints what it came to, as digests.

NOISE seeds the global generators first, which are the caller's and must not matter.
"""

import hashlib
import json
import random
import sys

import numpy as np
from descent import split_problem
from sklearn.linear_model import SGDRegressor

import tradewright as tw

DATA = split_problem()
MODELS = {
    "lightgbm": {
        "n_estimators": 15,
        "min_child_samples": 5,
        "subsample": 0.7,
        "subsample_freq": 1,
        "colsample_bytree": 0.7,
    },
    "xgboost": {"n_estimators": 15, "subsample": 0.7, "colsample_bynode": 0.7},
}


def make(name):
    if name == "sgd":
        return tw.SklearnModel(SGDRegressor(max_iter=20, tol=None))
    if name == "mlp":
        params = {"hidden": [8], "dropout": 0.2}
        return tw.TorchModel("mlp", module_params=params, epochs=5, batch_size=16, device="cpu")
    return tw.ModelRegistry.create(name, **MODELS[name])


if __name__ == "__main__":
    name, folder, noise = sys.argv[1:]
    random.seed(int(noise))
    np.random.seed(int(noise))  # noqa: NPY002
    trainer = tw.ModelTrainer(make(name), mlflow_uri="off", output_dir=folder, seed=11)
    result = trainer.train(*DATA, callbacks=[tw.EarlyStopping(patience=50)], checks=None)
    history = [{key: value for key, value in row.items() if key != "seconds"} for row in result.history]
    # skops numbers objects by their place in memory
    payloads = {} if name == "sgd" else result.model._to_payloads()[1]
    print(
        json.dumps(
            {
                "history": history,
                "predictions": hashlib.sha256(result.model.predict(DATA[2]).tobytes()).hexdigest(),
                "payloads": {key: hashlib.sha256(value).hexdigest() for key, value in payloads.items()},
                "threads": result.environment["threads"],
            },
            sort_keys=True,
        )
    )
