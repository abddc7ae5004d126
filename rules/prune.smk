# Trained network -> smaller dense network. A budget also needs the training fold, to measure where to prune.
CALIBRATION_MESSAGES = [
    "dataset_config.target_class_mapping",
    "dataset_config.data_sources.tfrecords_path",
    "augmentation_config.preprocessing",
    "cost_function_config",
    "training_config.mixed_bfloat16",
    "bbox_rasterizer_config",
    "loss_mask_label_filter",
]
BUDGET = bool(CONFIG["prune"]["budget"])
PRUNING_TABLES = ["pruning.csv", "costs.csv", *(["sensitivity.csv"] if BUDGET else []), "provenance.json"]


rule prune_detector:
    input:
        library("prune_detector"),
        model=f"{RESULTS}/train/model.keras",
        training=training_shards() if BUDGET else [],
    output:
        expand(
            f"{RESULTS}/prune/{{file}}",
            file=["model.keras", "model.hdf5", *PRUNING_TABLES],
        ),
    log:
        f"{LOGS}/prune_detector.log",
    benchmark:
        f"{BENCHMARKS}/prune_detector.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 64 if BUDGET else 2
    resources:
        mem_mb=8000 if BUDGET else 4000,
        runtime=60 if BUDGET else 30,
    params:
        arguments=pruning_arguments,
        spec=spec_file("train"),
        calibration=calibration_arguments(),
        messages=messages("train", *CALIBRATION_MESSAGES) if BUDGET else "",
        out=folder,
    message:
        "Pruning the network"
    shell:
        run_script("prune_detector")
        + " --model {input.model} --out {params.out} {params.arguments}"
        + (
            " --threads {threads} --spec {params.spec:q} {params.calibration} --training {input.training}"
            if BUDGET
            else ""
        )
