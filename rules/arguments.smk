# The words of commands that are made from the config. No rules here.


def pruning_arguments(wildcards):
    """A function, because names of layers are text of the config and may hold anything."""
    wanted = CONFIG["prune"]
    limits = [(f"max-{name}", limit) for name, limit in (wanted["budget"] or {}).items()]
    norms = [(name, wanted[name]) for name in ("ratio", "threshold") if wanted[name] is not None]
    given = [
        *(limits or norms),
        *((name, wanted[name]) for name in ("normalizer", "equalization") if not limits),
        *((name, wanted[name]) for name in ("granularity", "minimum")),
        *(("exclude", layer) for layer in wanted["exclude"]),
    ]
    return " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in given)


def calibration_arguments():
    """What a budget measures sensitivity with, but for the records."""
    wanted = CONFIG["prune"]
    if not wanted["budget"]:
        return ""
    recalibrate = "" if wanted["recalibrate"] else " --no-recalibrate"
    return f"--calibration-pictures {wanted['calibration_pictures']}{recalibrate}"


def pretrained_arguments(wildcards):
    """Where the weights to start from are; their name is the rule's output."""
    given = CONFIG["pretrained"] or {}
    return [f"--{key} {shlex.quote(given[key])}" for key in ("file", "url", "sha256") if key in given]


def unseen_arguments(wildcards):
    """The records on which false alarms are counted; an engine was not shown their pictures."""
    shown = unseen_shards() if wildcards.stage != "engine" else []
    return f"--unseen {' '.join(shown)}" if shown else ""


def original_pictures(wildcards):
    """The manifests of the pictures before they were resized, where DeepStream is looked at."""
    wanted = SOURCES if wildcards.stage in DEEPSTREAM_STAGES else []
    return expand("data/kitti/{source}/manifest.csv", source=wanted)


def deepstream_arguments(wildcards):
    """What of DeepStream a stage is evaluated with.

    The size of the stream is no matter of the retrained network's, whose thresholds go into the export.
    """
    if wildcards.stage not in DEEPSTREAM_STAGES:
        return ""
    wanted = CONFIG["deepstream"]
    goal = wanted["goal"]
    text = goal if isinstance(goal, str) else "".join(f"{name}={value}" for name, value in goal.items())
    frame = "" if wildcards.stage == "retrain" else f" --frame {wanted['width']} {wanted['height']}"
    return f"--deepstream data/kitti --goal {text} --cluster-mode {wanted['cluster_mode']}{frame}"


def stream_arguments(wildcards):
    """What the app plays and shows; a function, because the address may hold braces."""
    wanted = CONFIG["deepstream"]
    words = [
        f"--uri {shlex.quote(wanted['uri'])}",
        f"--sink {wanted['sink']}",
        f"--tracker {wanted['tracker']}",
    ]
    numbers = [
        f"--{name.replace('_', '-')} {wanted[name]}" for name in ("width", "height", "frame_rate", "interval")
    ]
    flags = ["--kitti" if wanted["kitti"] else "", "" if wanted["display"] else "--no-display"]
    return " ".join(filter(None, [*words, *numbers, *flags]))


def device_arguments(wildcards, output):
    """How a device is reached; not recorded (see `spec_file`): what it built is the same from anywhere."""
    wanted = CONFIG["engine"][wildcards.backend]
    given = {name: wanted[name] for name in ("host", "port", "user", "key_file", "known_hosts", "folder")}
    return " ".join(
        f"--{name.replace('_', '-')} {shlex.quote(str(value))}"
        for name, value in given.items()
        if value is not None
    )


def built_on_device(wildcards):
    """What decides a device's engine."""
    wanted = CONFIG["engine"][wildcards.backend]
    return f"--precision {wanted['precision']} --workspace-mb {wanted['workspace_mb']}"


def rtx_arguments():
    """What decides the engine of TensorRT-RTX."""
    wanted = CONFIG["engine"]["rtx"]
    cards = " ".join(map(str, wanted["compute_capabilities"]))
    return f"--precision {wanted['precision']} --compute-capability {cards}"
