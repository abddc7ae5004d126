# From raw pictures to a detector for the Jetson Nano. Targets: snakemake --list-target-rules
from snakemake.utils import min_version

min_version("9.27")

if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/arguments.smk"
include: "rules/sources.smk"
include: "rules/kitti.smk"
include: "rules/resize.smk"
include: "rules/split.smk"
include: "rules/records.smk"
include: "rules/pretrained.smk"
include: "rules/train.smk"
include: "rules/prune.smk"
include: "rules/retrain.smk"
include: "rules/evaluate.smk"
include: "rules/audit.smk"
include: "rules/ablation.smk"
include: "rules/infer.smk"
include: "rules/export.smk"
include: "rules/latency.smk"
include: "rules/engine.smk"
include: "rules/deepstream.smk"
include: "rules/report.smk"


localrules:
    all,
    dataset,
    train,
    prune,
    retrain,
    evaluate,
    audit,
    ablation,
    infer,
    export,
    engine,
    deepstream,
    report,


rule all:
    input:
        rules.build_report.output,
        rules.summarise_metrics.output,
        expand(f"{RESULTS}/retrain/inference/{{name}}/inference.csv", name=CONFIG["infer"]),
        rules.write_deepstream.output,
        engines_in_all(),
        engine_files(),
    message:
        f"Done: {RESULTS}/report.html"


rule dataset:
    input:
        expand("data/raw/{source}/source.json", source=SOURCES),
        expand("data/kitti/{source}/manifest.csv", source=SOURCES),
        expand("data/resized/{source}/manifest.csv", source=SOURCES),
        f"{RESULTS}/split.csv",
        expand(f"{RESULTS}/tfrecords/{{source}}.manifest.csv", source=SOURCES),
        all_shards(TRAINING),
        all_shards(VALIDATION),


rule train:
    input:
        rules.train_detector.output,


rule prune:
    input:
        rules.prune_detector.output,


rule retrain:
    input:
        rules.retrain_detector.output,


rule evaluate:
    input:
        expand(f"{RESULTS}/{{stage}}/evaluation/metrics.json", stage=STAGES),


rule audit:
    input:
        rules.audit_labels.output,


rule ablation:
    input:
        ablation_files,


rule infer:
    input:
        expand(f"{RESULTS}/retrain/inference/{{name}}/inference.csv", name=CONFIG["infer"]),


rule export:
    input:
        rules.export_onnx.output,


rule engine:
    input:
        expand(f"{RESULTS}/engine/{{backend}}/build.json", backend=CONFIG["engine"]["backends"]),
        engine_files(),


rule deepstream:
    input:
        rules.write_deepstream.output,


rule report:
    input:
        rules.build_report.output,
        rules.summarise_metrics.output,
