# Pruned network -> retrained network.
rule retrain_detector:
    input:
        library("retrain_detector"),
        model=f"{RESULTS}/prune/model.keras",
        training=all_shards(TRAINING),
        validation=all_shards(VALIDATION),
    output:
        expand(f"{RESULTS}/retrain/{{file}}", file=TRAINED_FILES),
    log:
        f"{LOGS}/retrain_detector.log",
    benchmark:
        f"{BENCHMARKS}/retrain_detector.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 64
    resources:
        mem_mb=16000,
        runtime=1440,
    params:
        spec=CONFIG["specs"]["retrain"],
        messages=messages("retrain", *TRAINING_MESSAGES),
        out=folder,
    message:
        "Retraining the pruned network"
    shell:
        run_script("retrain_detector")
        + " --spec {params.spec} --initial-model {input.model} --training {input.training}"
        " --validation {input.validation} --out {params.out} --threads {threads}"
