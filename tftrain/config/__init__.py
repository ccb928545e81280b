"""What a run is: pydantic models, and their loading from YAML. Never imports TensorFlow."""

from tftrain.config.loading import load_config, parse_override
from tftrain.config.models import Config

__all__ = ["Config", "load_config", "parse_override"]
