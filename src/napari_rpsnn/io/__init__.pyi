from .formats import read_image as read_image
from .formats import write_image as write_image
