# A network of any stage -> annotated pictures, KITTI labels, and an mp4 for a video.
rule infer_pictures:
    input:
        library("infer_pictures"),
        model=lambda wildcards: MODELS[wildcards.stage],
        source=lambda wildcards: CONFIG["infer"][wildcards.name],
    output:
        f"{RESULTS}/{{stage}}/inference/{{name}}/inference.csv",
    log:
        f"{LOGS}/infer_pictures/{{stage}}/{{name}}.log",
    benchmark:
        f"{BENCHMARKS}/infer_pictures/{{stage}}/{{name}}.tsv"
    wildcard_constraints:
        name=one_of(CONFIG["infer"]),
    conda:
        "../envs/pipeline.yaml"
    threads: 8
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        out=folder,
        spec=spec_file(),
        cluster_params=spec_file("infer"),
        settings=SPECS["infer"].to_text(),
        folder=inferred_folder,
    message:
        "Running stage {wildcards.stage} on {wildcards.name}"
    shell:
        run_script("infer_pictures") + " --model {input.model} --spec {params.spec:q}"
        " --cluster-params {params.cluster_params:q}"
        " --source {input.source:q} --out {params.out} --threads {threads}"
