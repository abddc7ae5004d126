# ONNX -> inference engine, and what it does on its device.
DEVICE_SCRIPTS = sorted(str(path) for path in (SCRIPTS / "device").glob("*.py"))


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
        wanted=rtx_arguments(),
        out=folder,
    message:
        "Building the {wildcards.backend} engine"
    shell:
        run_script("build_engine") + " --backend {wildcards.backend} --model {input.model} {params.wanted}"
        " --out {params.out}"


# A Nano takes about ten minutes; a second try goes on where the first one stopped.
rule build_device_engine:
    input:
        library("build_engine"),
        DEVICE_SCRIPTS,
        model=f"{RESULTS}/export/model.onnx",
    output:
        f"{RESULTS}/engine/{{backend}}/build.json",
    log:
        f"{LOGS}/build_engine/{{backend}}.log",
    wildcard_constraints:
        backend="|".join(DEVICE_BACKENDS),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        wanted=built_on_device,
        device=device_arguments,
        out=folder,
    message:
        "Building the engine on the device of backend {wildcards.backend}"
    shell:
        run_script("build_engine") + " --backend {wildcards.backend} --model {input.model} {params.wanted}"
        " {params.device} --out {params.out}"


rule measure_engine:
    input:
        library("measure_engine"),
        DEVICE_SCRIPTS,
        model=f"{RESULTS}/export/model.onnx",
        build=f"{RESULTS}/engine/{{backend}}/build.json",
        validation=all_shards(VALIDATION),
    output:
        expand(f"{RESULTS}/engine/{{{{backend}}}}/{{file}}", file=["benchmark.json", "outputs.npz"]),
    log:
        f"{LOGS}/measure_engine/{{backend}}.log",
    wildcard_constraints:
        backend="|".join(DEVICE_BACKENDS),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        spec=spec_file("retrain"),
        messages=messages("retrain", "dataset_config.target_class_mapping"),
        pictures=lambda wildcards: CONFIG["engine"][wildcards.backend]["pictures"],
        device=device_arguments,
        out=folder,
    message:
        "Running the engine on the device of backend {wildcards.backend}"
    shell:
        run_script("measure_engine") + " --model {input.model} --build {input.build} --spec {params.spec:q}"
        " --validation {input.validation} --pictures {params.pictures} {params.device} --out {params.out}"
