# Trained network -> smaller dense network.
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
    benchmark:
        f"{BENCHMARKS}/prune_detector.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        arguments=pruning_arguments(),
        out=folder,
    message:
        "Pruning the network"
    shell:
        run_script("prune_detector") + " --model {input.model} --out {params.out} {params.arguments}"
