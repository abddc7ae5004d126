# Retrained network -> ONNX with its contract, compared with Keras on validation pictures.
rule export_onnx:
    input:
        library("export_onnx"),
        model=f"{RESULTS}/retrain/model.keras",
        validation=all_shards(VALIDATION),
        metrics=f"{RESULTS}/retrain/evaluation/metrics.json",
    output:
        expand(
            f"{RESULTS}/export/{{file}}",
            file=["model.onnx", "labels.txt", "contract.json", "parity.json"],
        ),
    log:
        f"{LOGS}/export_onnx.log",
    benchmark:
        f"{BENCHMARKS}/export_onnx.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        spec=spec_file("retrain"),
        messages=messages("retrain", *EVALUATION_MESSAGES, "augmentation_config.preprocessing"),
        opset=CONFIG["export"]["opset"],
        batch=CONFIG["export"]["batch"],
        names=CONFIG["export"]["names"],
        preprocess=CONFIG["export"]["preprocess"],
        channel_order=CONFIG["export"]["channel_order"],
        pictures=CONFIG["export"]["parity_pictures"],
        out=folder,
    message:
        "Exporting the retrained network to ONNX"
    shell:
        run_script("export_onnx") + " --model {input.model} --spec {params.spec:q} --opset {params.opset}"
        " --batch {params.batch} --names {params.names} --preprocess {params.preprocess}"
        " --channel-order {params.channel_order}"
        " --metrics {input.metrics} --validation {input.validation} --pictures {params.pictures} --out {params.out}"
