# Records -> trained network. Checkpoints, events and the live log running.jsonl lie beside the outputs but
# are not declared, because Snakemake would delete them before a resumed job could read them.
TRAINING_MESSAGES = [
    "random_seed",
    "dataset_config.target_class_mapping",
    "dataset_config.data_sources.source_weight",
    "dataset_config.data_sources.tfrecords_path",
    "dataset_config.sampling_mode",
    "augmentation_config",
    "model_config",
    "cost_function_config",
    "training_config",
    "bbox_rasterizer_config",
    "loss_mask_label_filter",
    "evaluation_config.validation_period_during_training",
    "evaluation_config.first_validation_epoch",
]
TRAINED_FILES = ["model.keras", "model.hdf5", "history.csv", "status.jsonl", "spec.cfg", "provenance.json"]


rule train_detector:
    input:
        library("train_detector"),
        training=training_shards(),
        validation=all_shards(VALIDATION),
        initial=INITIAL_MODEL or [],
        teacher=teacher_of("train"),
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
        spec=spec_file("train"),
        messages=messages("train", *TRAINING_MESSAGES),
        out=folder,
        initial=optional("--initial-model", "initial"),
        teacher=optional("--teacher", "teacher"),
    message:
        "Training the network"
    shell:
        run_script("train_detector") + " --spec {params.spec:q} --training {input.training}"
        " --validation {input.validation} {params.initial} {params.teacher} --out {params.out} --threads {threads}"
