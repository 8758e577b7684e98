from .config import TrainConfig as TrainConfig
from .fusion import fuse as fuse
from .network import RPSNN as RPSNN
from .training import train as train
from .weights import load_model as load_model
