from . import metrics as metrics
from .fusion import fuse as fuse
from .model.network import RPSNN as RPSNN
from .model.weights import load_model as load_model
from .stack import fuse_stack as fuse_stack
from .training.config import TrainConfig as TrainConfig
from .training.loop import train as train
