"""``python -m gymbroker``."""

from gymbroker_start import gymbroker

gymbroker()
