# Resized pictures and the split -> TFRecord shards, one set a source.
rule pack_tfrecords:
    input:
        library("pack_tfrecords"),
        manifest="data/resized/{source}/manifest.csv",
        split=f"{RESULTS}/split.csv",
    output:
        shards("{source}", VALIDATION),
        shards("{source}", TRAINING),
        manifest=f"{RESULTS}/tfrecords/{{source}}.manifest.csv",
        warning=f"{RESULTS}/tfrecords/{{source}}_warning.json",
    log:
        f"{LOGS}/pack_tfrecords/{{source}}.log",
    benchmark:
        f"{BENCHMARKS}/pack_tfrecords/{{source}}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 8
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        out=folder,
        spec=CONFIG["specs"]["dataset"],
        messages=messages("dataset", "kitti_config", "coco_config", "sample_modifier_config"),
    message:
        "Packing {wildcards.source} into TFRecords"
    shell:
        run_script("pack_tfrecords")
        + " --manifest {input.manifest} --split {input.split} --spec {params.spec}"
        " --source {wildcards.source} --out-dir {params.out} --workers {threads}"
