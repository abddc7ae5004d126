# Raw source -> KITTI folder with a manifest.
rule convert_kitti:
    input:
        library("convert_kitti"),
        raw="data/raw/{source}/source.json",
    output:
        manifest="data/kitti/{source}/manifest.csv",
        dropped="data/kitti/{source}/dropped.csv",
    log:
        f"{LOGS}/convert_kitti/{{source}}.log",
    benchmark:
        f"{BENCHMARKS}/convert_kitti/{{source}}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 8
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        out=folder,
        declaration=converted,
        changes=raw_changes,
    message:
        "Converting {wildcards.source} to KITTI"
    shell:
        run_script("convert_kitti") + " --source {wildcards.source} --declaration {params.declaration}"
        " --raw $(dirname {input.raw}) --out {params.out} --workers {threads}"
