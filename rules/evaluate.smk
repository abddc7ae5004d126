# A network of any stage -> its metrics on the validation fold.
MODELS = {
    "train": f"{RESULTS}/train/model.keras",
    "prune": f"{RESULTS}/prune/model.keras",
    "retrain": f"{RESULTS}/retrain/model.keras",
    "onnx": f"{RESULTS}/export/model.onnx",
}
EVALUATION_MESSAGES = [
    "dataset_config.target_class_mapping",
    "cost_function_config.target_classes",
    "postprocessing_config",
    "evaluation_config",
]
# What is deployed is looked at as DeepStream does, too; comparing trainings does not need it.
DEEPSTREAM_STAGES = [stage for stage in MODELS if stage not in ("train", "prune")]
# An engine answers the pictures that it ran on and nothing else.
ENGINE_STAGES = {"engine": f"{RESULTS}/engine/{backend}/outputs.npz" for backend in DEVICES[:1]}
METRICS_FILES = ["metrics.json", "pictures.csv", "detections.csv", "ground_truth.csv", "pr_curve.csv"]


rule evaluate_detector:
    input:
        library("evaluate_detector"),
        model=lambda wildcards: {**MODELS, **ENGINE_STAGES}[wildcards.stage],
        validation=all_shards(VALIDATION),
        unseen=unseen_shards(),
        split=f"{RESULTS}/split.csv",
        originals=original_pictures,
    output:
        expand(f"{RESULTS}/{{{{stage}}}}/evaluation/{{file}}", file=METRICS_FILES),
    log:
        f"{LOGS}/evaluate_detector/{{stage}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate_detector/{{stage}}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 8
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        spec=spec_file(),
        messages=lambda wildcards: messages(spec_of_stage(wildcards.stage), *EVALUATION_MESSAGES),
        unseen=unseen_arguments,
        deepstream=deepstream_arguments,
        out=folder,
    message:
        "Evaluating stage {wildcards.stage}"
    shell:
        run_script("evaluate_detector")
        + " --model {input.model} --stage {wildcards.stage} --spec {params.spec:q}"
        " --validation {input.validation} --split {input.split} {params.unseen}"
        " {params.deepstream} --out {params.out} --threads {threads}"
