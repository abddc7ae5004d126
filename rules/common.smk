# Config, names and paths that the other rule files share. No rules here.
import json
import os
import re
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Relative, so that a record of how a file was made holds in another clone as well.
SCRIPTS = Path(os.path.relpath(workflow.basedir)) / "scripts"
sys.path.insert(0, str(SCRIPTS.resolve()))

from detectnet import spec, variants
from detectnet.config import (
    check_classes,
    check_specs,
    complete,
    initial_model,
    other_sizes,
    pretrained_name,
)
from detectnet.deploy import rtx
from detectnet.deploy.cluster_params import load_settings
from detectnet.errors import UserError
from detectnet.imports import files_used
from detectnet.running import hold, job_prefix
from detectnet.sources import trees

try:
    CONFIG = complete(config, Path(workflow.basedir) / "config" / "schema.yaml")
    SPECS = {
        "dataset": spec.load(CONFIG["specs"]["dataset"], "dataset"),
        "train": spec.load(CONFIG["specs"]["train"], "experiment"),
        "retrain": spec.load(CONFIG["specs"]["retrain"], "experiment"),
        "infer": load_settings(CONFIG["specs"]["infer"]),
    }
    check_specs(SPECS)
    WARNINGS = check_classes(CONFIG, SPECS["train"])
    INITIAL_MODEL = initial_model(CONFIG, SPECS["train"])
    VARIANTS = variants.specs_of(CONFIG["ablation"], SPECS["train"])
except UserError as error:
    raise WorkflowError(str(error)) from None

ABLATION = CONFIG["ablation"]
RUN = CONFIG["run"]
RESULTS = f"results/{RUN}"
LOGS = f"logs/{RUN}"
DEVICE_BACKENDS = ("nano", "tensorrt")
DEVICES = [backend for backend in CONFIG["engine"]["backends"] if backend in DEVICE_BACKENDS]
BENCHMARKS = f"benchmarks/{RUN}"
SOURCES = sorted(CONFIG["sources"])
TRAINED = [name for name in SOURCES if CONFIG["sources"][name]["train"]]
RENDERED = [name for name in SOURCES if "scenes" in CONFIG["sources"][name]]
FETCHED = [name for name in SOURCES if name not in RENDERED]
SHARDS = spec.shards_of(SPECS["dataset"])
INPUT = SPECS["train"].augmentation_config.preprocessing
VALIDATION, TRAINING = 0, 1  # NVIDIA's numbers of the two folds
# Where the mirror is does not change what comes out, so it is no parameter of a rule.
os.environ.update(DETECTNET_MIRROR=CONFIG["mirror"] or "")


wildcard_constraints:
    source="|".join(SOURCES),
    stage="|".join(["train", "prune", "retrain", "onnx", *(["engine"] if DEVICES else [])]),
    name="[A-Za-z0-9_-]+",


def library(rule_name):
    """The rule's script and the library files behind it: an edit there runs the rule again."""
    return files_used(SCRIPTS / f"{rule_name}.py")


def run_script(rule_name):
    """The start of the rule's command; everything the script says also lands in the rule's log."""
    return f"python {literal(shlex.quote(f'{SCRIPTS / rule_name}.py'))} --log {{log}}"


def literal(text):
    """Text for a shell command, in which braces stand for themselves."""
    return text.replace("{", "{{").replace("}", "}}")


def optional(option, key):
    """A parameter: the option with the rule's input of that name, or nothing without such an input."""

    def words(wildcards, input):
        path = getattr(input, key)
        return f"{option} {shlex.quote(path)}" if path else ""

    return words


def spec_file(name=None):
    """A parameter: where a spec lies, that of the stage by default.

    Snakemake does not record a parameter that asks for `output`: a moved spec runs nothing again.
    """
    return lambda wildcards, output: CONFIG["specs"][name or spec_of_stage(wildcards.stage)]


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


def training_shards():
    """The training fold, without the sources that are kept for measuring."""
    return [path for source in TRAINED for path in shards(source, TRAINING)]


def unseen_shards():
    """The training fold of the sources that are kept for measuring."""
    return [path for source in SOURCES if source not in TRAINED for path in shards(source, TRAINING)]


@cache
def engines_in_all():
    """Engines that can be built with what is installed; one line says how to get the others."""
    wanted = CONFIG["engine"]["backends"]
    built = [backend for backend in wanted if backend != "rtx" or rtx.available()]
    if built != wanted and workflow.is_main_process:
        logger.info(f"No rtx engine is built: {rtx.HOW_TO_INSTALL}")
    return expand(f"{RESULTS}/engine/{{backend}}/build.json", backend=built)


def engine_files():
    """What an engine that runs leaves beside itself, and its metrics; those of the first in the config."""
    run = expand(f"{RESULTS}/engine/{{backend}}/benchmark.json", backend=DEVICES)
    return [*run, *([f"{RESULTS}/engine/evaluation/metrics.json"] if run else [])]


def spec_of_stage(stage):
    return "train" if stage == "train" else "retrain"


def teacher_of(stage):
    """The network that a training with distillation learns from; for retraining the one before pruning."""
    config = SPECS[stage].training_config
    if not config.has("distillation"):
        return []
    if stage == "retrain":
        return f"{RESULTS}/train/model.keras"
    return config.distillation.teacher_model_file


def variant_fields(wildcards, output):
    """The fields in which a variant's spec differs from the baseline's; not recorded (see `spec_file`)."""
    change = ABLATION["changes"].get(wildcards.variant, {"fields": []})
    return [f"--field {shlex.quote(line)}" for line in (*change["fields"], f"random_seed: {wildcards.seed}")]


def variant_messages(*fields):
    """As `messages`, of a variant's spec."""
    return lambda wildcards: spec.text_of(VARIANTS[wildcards.variant], list(fields))


def variant_shards(wildcards):
    """The records that a variant trains on."""
    wanted = variants.sources_of(ABLATION, wildcards.variant, TRAINED)
    return [path for source in wanted for path in shards(source, TRAINING)]


def variant_models(wildcards):
    """The networks that a variant begins with or learns from."""
    given = VARIANTS[wildcards.variant]
    named = (given.model_config.pretrained_model_file, given.training_config.distillation.teacher_model_file)
    return [path for path in named if path]


def ablation_config(wildcards):
    """What the ablation compares; a function, because its text may hold braces."""
    return shlex.quote(json.dumps(ABLATION, sort_keys=True))


def ablation_files(wildcards):
    """What the target `ablation` stands for."""
    if ABLATION is None:
        raise WorkflowError(
            "ablation: the config names no changes to compare. Add those of config/ablation.yaml:"
            " snakemake ablation --configfile config/plates.yaml config/ablation.yaml"
        )
    return rules.tabulate_ablation.output


def entry_of(wildcards, *keys):
    """The named keys of a source's entry, as a word of the shell; others do not matter to the rule."""
    entry = CONFIG["sources"][wildcards.source]
    return shlex.quote(json.dumps({key: entry[key] for key in keys if key in entry}, sort_keys=True))


def converted(wildcards):
    """How a source is converted."""
    return entry_of(wildcards, "adapter", "classes", "options", "video_pattern", "unlabelled")


def place(wildcards, output):
    """Where a source comes from; not recorded (see `spec_file`): what of it matters is `content`."""
    return entry_of(wildcards, "adapter", "folder", "archive", "upstream")


def content(wildcards):
    """What a source holds, wherever an archive is downloaded from."""
    entry = CONFIG["sources"][wildcards.source]
    archive = {key: value for key, value in entry.get("archive", {}).items() if key != "url"}
    return json.dumps([entry.get("folder"), archive, entry.get("upstream")], sort_keys=True)


def own_folder(wildcards):
    """What a source's own folder holds: fetched again when a file comes, goes or changes."""
    named = CONFIG["sources"][wildcards.source].get("folder")
    return trees.content(Path(named)) if named else ""


def raw_changes(wildcards):
    """What a raw folder holds, if that is no longer what was fetched or rendered."""
    return trees.deviation(Path("data/raw") / wildcards.source)


def inferred_folder(wildcards):
    """What a folder of pictures to run the detector on holds; a video is an input of its own."""
    named = Path(CONFIG["infer"][wildcards.name])
    return "" if named.is_file() else trees.content(named)


def listed_files(wildcards):
    """The list of an upstream source's files."""
    return CONFIG["sources"][wildcards.source].get("upstream", {}).get("files", [])


def fixed_folds():
    fixed = {name: CONFIG["sources"][name].get("fold") for name in SOURCES}
    return [f"--fixed {name}={fold}" for name, fold in fixed.items() if fold]


def report_config(wildcards):
    """What the page shows of the config; a function, because its text may hold braces."""
    shown = {key: CONFIG[key] for key in ("run", "sources", "report")}
    return shlex.quote(json.dumps(shown, sort_keys=True))


def say_what_is_odd():
    """What the config lets pass, but hardly anybody wants."""
    for warning in WARNINGS:
        logger.warning(warning)
    width, height = INPUT.output_image_width, INPUT.output_image_height
    for name, (old_width, old_height) in other_sizes(SOURCES, width, height).items():
        logger.warning(
            f"data/resized/{name} holds pictures of {old_width}x{old_height}, and this run needs"
            f" {width}x{height}: they are made again. Runs of two sizes need a clone each, or they take turns."
        )


def clear_stale_lock():
    """Let the same command go on after a kill, when Snakemake's own lock outlives its process.

    The kernel drops our lock with the process that held it, so whoever gets it is alone here; not alone
    are jobs that outlived it, and these are refused.
    """
    try:
        handle = hold(LOCK)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    if handle:
        shutil.rmtree(".snakemake/locks", ignore_errors=True)
    return handle


LOCK = Path(".snakemake/running")
shell.prefix(f"set -euo pipefail; {literal(job_prefix(LOCK))}")
if workflow.is_main_process:
    say_what_is_odd()
    if not workflow.dryrun:
        RUNNING = clear_stale_lock()
