"""DetectNet_v2 as an open pipeline: the library behind the rules. No Snakemake inside."""

__version__ = "0.1.0"
