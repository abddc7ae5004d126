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
METRICS_FILES = ["metrics.json", "pictures.csv", "detections.csv", "ground_truth.csv", "pr_curve.csv"]


rule evaluate_detector:
    input:
        library("evaluate_detector"),
        model=lambda wildcards: MODELS[wildcards.stage],
        validation=all_shards(VALIDATION),
        unseen=unseen_shards(),
        split=f"{RESULTS}/split.csv",
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
        unseen=f"--unseen {' '.join(unseen_shards())}" if unseen_shards() else "",
        out=folder,
    message:
        "Evaluating stage {wildcards.stage}"
    shell:
        run_script("evaluate_detector")
        + " --model {input.model} --stage {wildcards.stage} --spec {params.spec:q}"
        " --validation {input.validation} --split {input.split} {params.unseen}"
        " --out {params.out} --threads {threads}"
