# Trained network -> smaller dense network.
def pruning_arguments():
    wanted = CONFIG["prune"]
    if wanted["threshold"] is None:
        target = f"--ratio {wanted['ratio']}"
    else:
        target = f"--threshold {wanted['threshold']}"
    excluded = "".join(f" --exclude {layer}" for layer in wanted["exclude"])
    return (
        f"{target} --normalizer {wanted['normalizer']} --equalization {wanted['equalization']}"
        f" --granularity {wanted['granularity']} --minimum {wanted['minimum']}{excluded}"
    )


rule prune_detector:
    input:
        library("prune_detector"),
        model=f"{RESULTS}/train/model.keras",
    output:
        expand(
            f"{RESULTS}/prune/{{file}}",
            file=["model.keras", "model.hdf5", "pruning.csv", "provenance.json"],
        ),
    log:
        f"{LOGS}/prune_detector.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        arguments=pruning_arguments(),
        out=f"{RESULTS}/prune",
    message:
        "Pruning the network"
    shell:
        run_script("prune_detector") + " --model {input.model} --out {params.out} {params.arguments}"
