# Pruned network -> retrained network.
rule retrain_detector:
    input:
        library("retrain_detector"),
        model=f"{RESULTS}/prune/model.keras",
        training=training_shards(),
        validation=all_shards(VALIDATION),
        teacher=teacher_of("retrain"),
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
        spec=spec_file("retrain"),
        messages=messages("retrain", *TRAINING_MESSAGES),
        out=folder,
        teacher=optional("--teacher", "teacher"),
    message:
        "Retraining the pruned network"
    shell:
        run_script("retrain_detector")
        + " --spec {params.spec:q} --initial-model {input.model} --training {input.training}"
        " --validation {input.validation} {params.teacher} --out {params.out} --threads {threads}"
