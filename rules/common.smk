# Config, names and paths that the other rule files share. No rules here.
import fcntl
import json
import os
import re
import shutil
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Relative, so that a record of how a file was made holds in another clone as well.
SCRIPTS = Path(os.path.relpath(workflow.basedir)) / "scripts"
sys.path.insert(0, str(SCRIPTS.resolve()))

from detectnet import spec
from detectnet.config import complete
from detectnet.errors import UserError
from detectnet.imports import files_used

try:
    CONFIG = complete(config, Path(workflow.basedir) / "config" / "schema.yaml")
    SPECS = {
        "dataset": spec.load(CONFIG["specs"]["dataset"], "dataset"),
        "train": spec.load(CONFIG["specs"]["train"], "experiment"),
        "retrain": spec.load(CONFIG["specs"]["retrain"], "experiment"),
    }
    CLUSTER_PARAMS = spec.load_cluster_params(CONFIG["specs"]["infer"])
except UserError as error:
    raise WorkflowError(str(error)) from None

RUN = CONFIG["run"]
RESULTS = f"results/{RUN}"
LOGS = f"logs/{RUN}"
BENCHMARKS = f"benchmarks/{RUN}"
SOURCES = sorted(CONFIG["sources"])
RENDERED = [name for name in SOURCES if "scenes" in CONFIG["sources"][name]]
FETCHED = [name for name in SOURCES if name not in RENDERED]
SHARDS = SPECS["dataset"].kitti_config.num_shards
INPUT = SPECS["train"].augmentation_config.preprocessing
VALIDATION, TRAINING = 0, 1  # NVIDIA's numbers of the two folds


wildcard_constraints:
    source="|".join(SOURCES),
    stage="train|prune|retrain|onnx",
    name="[A-Za-z0-9_-]+",


def library(rule_name):
    """The rule's script and the library files behind it: an edit there runs the rule again."""
    return files_used(SCRIPTS / f"{rule_name}.py")


def run_script(rule_name):
    """The start of the rule's command; everything the script says also lands in the rule's log."""
    return f"python {SCRIPTS / rule_name}.py --log {{log}}"


def messages(name, *fields):
    """The text of the spec messages that a rule reads: what else the file says does not concern it."""
    return spec.text_of(SPECS[name], list(fields))


def one_of(names):
    """A wildcard pattern for these names; with none it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def shards(source, fold):
    """Record files of one source and fold, by NVIDIA's names; num_shards 0 is one file without a number."""
    start = f"{RESULTS}/tfrecords/{source}-fold-{fold:03d}-of-002"
    if SHARDS == 0:
        return [start]
    return [f"{start}-shard-{shard:05d}-of-{SHARDS:05d}" for shard in range(SHARDS)]


def all_shards(fold):
    return [path for source in SOURCES for path in shards(source, fold)]


def clear_stale_lock():
    """Let the same command go on after a kill: Snakemake's own lock outlives its process.

    The kernel drops this lock with the process that held it, so whoever gets it is alone here.
    """
    Path(".snakemake").mkdir(exist_ok=True)
    handle = open(".snakemake/running", "w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return None
    shutil.rmtree(".snakemake/locks", ignore_errors=True)
    return handle


if workflow.is_main_process and not workflow.dryrun:
    RUNNING = clear_stale_lock()
