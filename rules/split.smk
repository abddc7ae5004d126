# All sources -> one split that does not leak.
rule split_groups:
    input:
        library("split_groups"),
        manifests=expand("data/resized/{source}/manifest.csv", source=SOURCES),
        mirrored=expand("data/resized/{source}/mirrored.csv", source=SOURCES),
        originals=expand("data/kitti/{source}/manifest.csv", source=SOURCES),
        keep=CONFIG["split"]["keep"] or [],
    output:
        split=f"{RESULTS}/split.csv",
        links=f"{RESULTS}/split_links.csv",
    log:
        f"{LOGS}/split_groups.log",
    benchmark:
        f"{BENCHMARKS}/split_groups.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        share=spec.share_of(SPECS["dataset"]),
        mode=spec.mode_of(SPECS["dataset"]),
        distance=CONFIG["split"]["hash_distance"],
        fixed=fixed_folds(),
        keep=optional("--previous", "keep"),
        manifests=[f"--manifest {name}=data/resized/{name}/manifest.csv" for name in SOURCES],
        originals=[f"--original {name}=data/kitti/{name}/manifest.csv" for name in SOURCES],
    message:
        "Splitting the pictures of all sources into training and validation"
    shell:
        run_script("split_groups")
        + " {params.manifests} {params.originals} --share {params.share} --mode {params.mode}"
        " --threshold {params.distance} {params.fixed} {params.keep} --out {output.split}"
