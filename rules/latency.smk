# Exported network -> how long it will take on a Jetson Nano, layer by layer.
rule predict_latency:
    input:
        library("predict_latency"),
        f"{SCRIPTS}/detectnet/deploy/latency_measurements.yaml",
        model=f"{RESULTS}/export/model.onnx",
    output:
        expand(f"{RESULTS}/latency/{{file}}", file=["latency.csv", "latency.json"]),
    log:
        f"{LOGS}/predict_latency.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        out=folder,
    message:
        "Predicting the latency on a Jetson Nano"
    shell:
        run_script("predict_latency") + " {input.model} --out {params.out}"
