"""DetectNet_v2 as an open pipeline: the library behind the rules. No Snakemake inside."""

from detectnet.logs import log_early_defects

__version__ = "0.1.0"

# First of all, because a module that breaks while it is imported must leave its traceback in the log.
log_early_defects()
