"""A training that a signal reaches outside a loop: python child_stages.py URI OUTPUT_DIR STAGE.

Prints ``ready`` in the stage (``open``, ``checks``, ``fit``, ``files`` or ``close``) and waits there for the signal.
"""

import json
import signal
import sys
import time

from descent import DescentModel, split_problem

from tradewright.tracking import TrackingRun
from tradewright.training import ModelTrainer, session


def waiting(function, *, holds=False):
    def wait(*arguments, **options):
        print("ready", flush=True)
        end = time.monotonic() + (2 if holds else 60)
        while time.monotonic() < end:
            time.sleep(0.01)
        return function(*arguments, **options)

    return wait


if __name__ == "__main__":
    uri, folder, stage = sys.argv[1:]
    trainer = ModelTrainer(DescentModel(unit="fit"), "stages", mlflow_uri=uri, output_dir=folder)
    if stage == "open":
        trainer._open_run = waiting(trainer._open_run, holds=True)
    elif stage == "checks":
        session.check_leakage = waiting(session.check_leakage)
    elif stage == "fit":
        DescentModel._step = waiting(DescentModel._step)
    elif stage == "files":
        session.TrainingFiles.write_model = waiting(session.TrainingFiles.write_model)
    else:
        TrackingRun.close = waiting(TrackingRun.close, holds=True)
    before = signal.getsignal(signal.SIGTERM)
    try:
        trainer.train(*split_problem(), callbacks=[], checks=None)
        raised = False
    except KeyboardInterrupt:
        raised = True
    assert signal.getsignal(signal.SIGTERM) is before
    result = trainer.last_result
    told = {"raised": raised, "status": result.status, "reason": result.stop_reason, "run_id": result.run_id}
    print(json.dumps(told), flush=True)
