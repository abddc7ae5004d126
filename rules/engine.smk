# ONNX -> inference engine.


rule build_engine:
    input:
        library("build_engine"),
        model=f"{RESULTS}/export/model.onnx",
    output:
        f"{RESULTS}/engine/{{backend}}/build.json",
    log:
        f"{LOGS}/build_engine/{{backend}}.log",
    wildcard_constraints:
        backend="rtx",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        out=folder,
    message:
        "Building the {wildcards.backend} engine"
    shell:
        run_script("build_engine") + " --backend {wildcards.backend} --model {input.model} --out {params.out}"
