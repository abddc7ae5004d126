# Resized pictures and the split -> TFRecord shards, one set a source.
# With reviewed corrections they and the sizes of the original pictures decide the records too.
CORRECTIONS = CONFIG["corrections"] or []


rule pack_tfrecords:
    input:
        library("pack_tfrecords"),
        manifest="data/resized/{source}/manifest.csv",
        split=f"{RESULTS}/split.csv",
        corrections=CORRECTIONS,
        originals=["data/kitti/{source}/manifest.csv"] if CORRECTIONS else [],
    output:
        shards("{source}", VALIDATION),
        shards("{source}", TRAINING),
        manifest=f"{RESULTS}/tfrecords/{{source}}.manifest.csv",
        warning=f"{RESULTS}/tfrecords/{{source}}_warning.json",
        applied=[f"{RESULTS}/tfrecords/{{source}}_corrections.json"] if CORRECTIONS else [],
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
        spec=spec_file("dataset"),
        messages=messages("dataset", "kitti_config", "coco_config", "sample_modifier_config"),
    message:
        "Packing {wildcards.source} into TFRecords"
    shell:
        run_script("pack_tfrecords")
        + " --manifest {input.manifest} --split {input.split} --spec {params.spec:q}"
        " --source {wildcards.source} --out-dir {params.out} --workers {threads}"
        + (" --corrections {input.corrections:q} --originals {input.originals}" if CORRECTIONS else "")
