"""What a run is: pydantic models, and their loading from YAML. Never imports TensorFlow."""

from tftrain.config.config import Config
from tftrain.config.loading import load_config, parse_override

__all__ = ["Config", "load_config", "parse_override"]
