"""The public names of tradewright, for type checkers and editors; ``__init__.py`` imports them when first used."""

from tradewright import datasets as datasets
from tradewright import errors as errors
from tradewright import statistics as statistics
from tradewright import testing as testing
from tradewright.base import BaseModel as BaseModel
from tradewright.base import Callback as Callback
from tradewright.base import ModelMetadata as ModelMetadata
from tradewright.callbacks import EarlyStopping as EarlyStopping
from tradewright.callbacks import ModelCheckpoint as ModelCheckpoint
from tradewright.callbacks import ProgressBar as ProgressBar
from tradewright.errors import *
from tradewright.loss_functions import MADL as MADL
from tradewright.loss_functions import BaseLoss as BaseLoss
from tradewright.loss_functions import BinaryCrossEntropy as BinaryCrossEntropy
from tradewright.loss_functions import CostSensitiveLoss as CostSensitiveLoss
from tradewright.loss_functions import DirectionalLoss as DirectionalLoss
from tradewright.loss_functions import FocalLoss as FocalLoss
from tradewright.loss_functions import HuberLoss as HuberLoss
from tradewright.loss_functions import LabelSmoothingBCE as LabelSmoothingBCE
from tradewright.loss_functions import LossRegistry as LossRegistry
from tradewright.loss_functions import MAELoss as MAELoss
from tradewright.loss_functions import MSELoss as MSELoss
from tradewright.loss_functions import PseudoHuberLoss as PseudoHuberLoss
from tradewright.loss_functions import QuantileLoss as QuantileLoss
from tradewright.loss_functions import WeightedBCE as WeightedBCE
from tradewright.models import BoostingModel as BoostingModel
from tradewright.models import ModelRegistry as ModelRegistry
from tradewright.models import SklearnModel as SklearnModel
from tradewright.models import TorchModel as TorchModel
from tradewright.optimizers import OptimizerRegistry as OptimizerRegistry
from tradewright.panel import Panel as Panel
from tradewright.runtime import set_num_threads as set_num_threads
from tradewright.runtime import set_seed as set_seed
from tradewright.runtime import show_versions as show_versions
from tradewright.sanity_checks import Finding as Finding
from tradewright.sanity_checks import ModelSanityChecker as ModelSanityChecker
from tradewright.sanity_checks import SanityReport as SanityReport
from tradewright.sanity_checks import check as check
from tradewright.serialization import ModelSerializer as ModelSerializer
from tradewright.serialization import load_model as load_model
from tradewright.serialization import save_model as save_model
from tradewright.splitting import Fold as Fold
from tradewright.splitting import PurgedKFold as PurgedKFold
from tradewright.splitting import Rows as Rows
from tradewright.splitting import SplitPlan as SplitPlan
from tradewright.splitting import WalkForward as WalkForward
from tradewright.tracking import MLflowLogger as MLflowLogger
from tradewright.training import ModelTrainer as ModelTrainer
from tradewright.training import TrainingResult as TrainingResult
from tradewright.training import default_callbacks as default_callbacks

__version__: str
