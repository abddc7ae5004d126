# ONNX and its contract -> a folder in which deepstream-app runs.


rule write_deepstream:
    input:
        library("write_deepstream"),
        model=f"{RESULTS}/export/model.onnx",
        contract=f"{RESULTS}/export/contract.json",
        metrics=f"{RESULTS}/retrain/evaluation/metrics.json",
        table=f"{SCRIPTS}/detectnet/deploy/deepstream/keys.yaml",
    output:
        expand(
            f"{RESULTS}/deepstream/{{file}}",
            file=[
                "config_deepstream.txt",
                "config_infer_primary.txt",
                "labels.txt",
                "model.onnx",
                "README.md",
            ],
        ),
    log:
        f"{LOGS}/write_deepstream.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        out=folder,
        settings=stream_arguments,
    message:
        "Writing the DeepStream folder"
    shell:
        run_script("write_deepstream")
        + " --onnx {input.model} --contract {input.contract} --metrics {input.metrics}"
        " {params.settings} --out {params.out}"
