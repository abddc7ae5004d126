# Config, names and paths that the other rule files share. No rules here.
import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Relative, so that a record of how a file was made holds in another clone as well.
SCRIPTS = Path(os.path.relpath(workflow.basedir)) / "scripts"
sys.path.insert(0, str(SCRIPTS.resolve()))

from detectnet import spec
from detectnet.config import check_specs, complete, initial_model, pretrained_name
from detectnet.deploy import rtx
from detectnet.deploy.cluster_params import load_settings
from detectnet.errors import UserError
from detectnet.imports import files_used

try:
    CONFIG = complete(config, Path(workflow.basedir) / "config" / "schema.yaml")
    SPECS = {
        "dataset": spec.load(CONFIG["specs"]["dataset"], "dataset"),
        "train": spec.load(CONFIG["specs"]["train"], "experiment"),
        "retrain": spec.load(CONFIG["specs"]["retrain"], "experiment"),
    }
    INFERENCE = load_settings(CONFIG["specs"]["infer"])
    check_specs(SPECS)
    INITIAL_MODEL = initial_model(CONFIG, SPECS["train"])
except UserError as error:
    raise WorkflowError(str(error)) from None

RUN = CONFIG["run"]
RESULTS = f"results/{RUN}"
LOGS = f"logs/{RUN}"
BENCHMARKS = f"benchmarks/{RUN}"
SOURCES = sorted(CONFIG["sources"])
RENDERED = [name for name in SOURCES if "scenes" in CONFIG["sources"][name]]
FETCHED = [name for name in SOURCES if name not in RENDERED]
SHARDS = spec.shards_of(SPECS["dataset"])
INPUT = SPECS["train"].augmentation_config.preprocessing
VALIDATION, TRAINING = 0, 1  # NVIDIA's numbers of the two folds
# Where the mirror is does not change what comes out, so it is no parameter of a rule.
os.environ.update(DETECTNET_MIRROR=CONFIG["mirror"] or "")


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


def folder(wildcards, output):
    """Where a rule's script writes: the folder of its first output."""
    return str(Path(output[0]).parent)


def messages(name, *fields):
    """The text of those spec messages that are read; what else the file says does not matter."""
    return spec.text_of(SPECS[name], list(fields))


def one_of(names):
    """A wildcard pattern for these names; with none it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def shards(source, fold):
    """Record files of one source and fold, by NVIDIA's names; num_shards 0 is one file without a number."""
    start = f"{RESULTS}/tfrecords/{source}-fold-{fold:03d}-of-002"
    if SHARDS[fold] == 0:
        return [start]
    return [f"{start}-shard-{shard:05d}-of-{SHARDS[fold]:05d}" for shard in range(SHARDS[fold])]


def all_shards(fold):
    return [path for source in SOURCES for path in shards(source, fold)]


def engines_in_all():
    """Engines that can be built with what is installed; one line says how to get the others."""
    wanted = CONFIG["engine"]["backends"]
    built = [backend for backend in wanted if backend != "rtx" or rtx.available()]
    if built != wanted and workflow.is_main_process:
        logger.info(f"No rtx engine is built: {rtx.HOW_TO_INSTALL}")
    return expand(f"{RESULTS}/engine/{{backend}}/build.json", backend=built)


def spec_of_stage(stage):
    return "train" if stage == "train" else "retrain"


def pruning_arguments():
    wanted = CONFIG["prune"]
    if wanted["threshold"] is None:
        target = f"--ratio {wanted['ratio']}"
    else:
        target = f"--threshold {wanted['threshold']}"
    excluded = "".join(f" --exclude {layer}" for layer in wanted["exclude"])
    return (
        f"{target} --normalizer {wanted['normalizer']} --equalization {wanted['equalization']}"
        f" --granularity {wanted['granularity']} --minimum {wanted['minimum']}{excluded}"
    )


def declaration(wildcards):
    return shlex.quote(json.dumps(CONFIG["sources"][wildcards.source], sort_keys=True))


def pretrained_arguments():
    """Where the weights to start from are; their name is the rule's output."""
    given = CONFIG["pretrained"] or {}
    return [f"--{key} {shlex.quote(given[key])}" for key in ("file", "url", "sha256") if key in given]


def place(wildcards):
    """Where a source comes from, without what only later rules need of its entry."""
    entry = CONFIG["sources"][wildcards.source]
    known = {
        key: entry[key] for key in ("adapter", "folder", "archive", "upstream", "licence") if key in entry
    }
    return shlex.quote(json.dumps(known, sort_keys=True))


def own_folder(wildcards):
    """What lies in a source's folder on this machine: fetched again when a file comes, goes or changes."""
    return files_below(CONFIG["sources"][wildcards.source].get("folder"))


def inferred_folder(wildcards):
    """What lies in a folder of pictures to run the detector on."""
    return files_below(CONFIG["infer"][wildcards.name])


def files_below(folder):
    """One digest of the paths, sizes and times of all files below a folder; empty for anything else."""
    if not folder or not Path(folder).is_dir():
        return ""
    found = sorted((str(path), path.lstat()) for path in Path(folder).rglob("*"))
    seen = "".join(f"{name} {state.st_size} {state.st_mtime_ns}\n" for name, state in found)
    return hashlib.sha256(seen.encode(errors="surrogateescape")).hexdigest()


def listed_files(wildcards):
    return CONFIG["sources"][wildcards.source].get("upstream", {}).get("files", [])


def fixed_folds():
    fixed = {name: CONFIG["sources"][name].get("fold") for name in SOURCES}
    return [f"--fixed {name}={fold}" for name, fold in fixed.items() if fold]


def report_config(wildcards):
    """What the page shows of the config; a function, because its text may hold braces."""
    shown = {key: CONFIG[key] for key in ("run", "sources", "report")}
    return shlex.quote(json.dumps(shown, sort_keys=True))


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
