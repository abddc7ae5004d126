# A detector and the labels of all folds -> where they disagree.
rule audit_labels:
    input:
        library("audit_labels"),
        model=CONFIG["audit"]["model"] or f"{RESULTS}/train/model.keras",
        records=[*all_shards(TRAINING), *all_shards(VALIDATION)],
        split=f"{RESULTS}/split.csv",
        kitti=expand("data/kitti/{source}/manifest.csv", source=SOURCES),
        resized=expand("data/resized/{source}/manifest.csv", source=SOURCES),
    output:
        f"{RESULTS}/audit/audit.csv",
        f"{RESULTS}/audit/audit.html",
    log:
        f"{LOGS}/audit_labels.log",
    benchmark:
        f"{BENCHMARKS}/audit_labels.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 8
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        spec=spec_file("train"),
        messages=messages(
            "train",
            "dataset_config.target_class_mapping",
            "cost_function_config.target_classes",
            "postprocessing_config",
        ),
        pictures=CONFIG["audit"]["pictures"],
        out=folder,
    message:
        "Looking for label errors"
    shell:
        run_script("audit_labels")
        + " --model {input.model:q} --spec {params.spec:q} --records {input.records} --split {input.split}"
        " --data data --out {params.out} --pictures {params.pictures} --threads {threads}"
