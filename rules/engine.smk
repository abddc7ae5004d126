# ONNX -> inference engine.
from detectnet.deploy import rtx


def engines_in_all():
    """Engines that can be built with what is installed; one line says how to get the others."""
    wanted = CONFIG["engine"]["backends"]
    built = [backend for backend in wanted if backend != "rtx" or rtx.available()]
    if built != wanted and workflow.is_main_process:
        logger.info(f"No rtx engine is built: {rtx.HOW_TO_INSTALL}")
    return expand(f"{RESULTS}/engine/{{backend}}/build.json", backend=built)


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
    message:
        "Building the {wildcards.backend} engine"
    shell:
        run_script("build_engine")
        + " --backend {wildcards.backend} --model {input.model} --out $(dirname {output})"
