from .config import TrainConfig as TrainConfig
from .fusion import fuse as fuse
from .network import RPSNN as RPSNN
from .stack import fuse_stack as fuse_stack
from .training import train as train
from .weights import load_model as load_model
