# Records -> trained network. Checkpoints, events and the live log running.jsonl lie beside the outputs but
# are not declared, because Snakemake would delete them before a resumed job could read them.
TRAINING_MESSAGES = [
    "random_seed",
    "dataset_config.target_class_mapping",
    "dataset_config.sampling_mode",
    "augmentation_config",
    "model_config",
    "cost_function_config",
    "training_config",
    "bbox_rasterizer_config",
    "evaluation_config.validation_period_during_training",
    "evaluation_config.first_validation_epoch",
]
TRAINED_FILES = ["model.keras", "model.hdf5", "history.csv", "status.jsonl", "spec.cfg", "provenance.json"]


rule train_detector:
    input:
        library("train_detector"),
        training=all_shards(TRAINING),
        validation=all_shards(VALIDATION),
    output:
        expand(f"{RESULTS}/train/{{file}}", file=TRAINED_FILES),
    log:
        f"{LOGS}/train_detector.log",
    benchmark:
        f"{BENCHMARKS}/train_detector.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 64
    resources:
        mem_mb=16000,
        runtime=1440,
    params:
        spec=CONFIG["specs"]["train"],
        messages=messages("train", *TRAINING_MESSAGES),
        out=folder,
    message:
        "Training the network"
    shell:
        run_script("train_detector") + " --spec {params.spec} --training {input.training}"
        " --validation {input.validation} --out {params.out} --threads {threads}"
