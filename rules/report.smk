# Everything measured -> one self-contained page.
STAGES = list(MODELS)


rule build_report:
    input:
        library("build_report"),
        raw=expand("data/raw/{source}/source.json", source=SOURCES),
        kitti=expand("data/kitti/{source}/manifest.csv", source=SOURCES),
        dropped=expand("data/kitti/{source}/dropped.csv", source=SOURCES),
        resized=expand("data/resized/{source}/manifest.csv", source=SOURCES),
        split=f"{RESULTS}/split.csv",
        links=f"{RESULTS}/split_links.csv",
        records=expand(f"{RESULTS}/tfrecords/{{source}}.manifest.csv", source=SOURCES),
        train=expand(f"{RESULTS}/train/{{file}}", file=TRAINED_FILES),
        prune=expand(f"{RESULTS}/prune/{{file}}", file=PRUNING_TABLES),
        retrain=expand(f"{RESULTS}/retrain/{{file}}", file=TRAINED_FILES),
        metrics=expand(f"{RESULTS}/{{stage}}/evaluation/{{file}}", stage=STAGES, file=METRICS_FILES),
        parity=f"{RESULTS}/export/parity.json",
        latency=rules.predict_latency.output,
        engines=[*engines_in_all(), *engine_files()],
        deepstream=f"{RESULTS}/deepstream/config_infer_primary.txt",
    output:
        f"{RESULTS}/report.html",
    log:
        f"{LOGS}/build_report.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        out=folder,
        config=report_config,
    message:
        "Writing the report"
    shell:
        run_script("build_report") + " --config {params.config} --data data --results {params.out}"
        " --out {output}"


rule summarise_metrics:
    input:
        library("summarise_metrics"),
        metrics=expand(f"{RESULTS}/{{stage}}/evaluation/metrics.json", stage=STAGES),
        latency=f"{RESULTS}/latency/latency.json",
    output:
        f"{RESULTS}/metrics.json",
    log:
        f"{LOGS}/summarise_metrics.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Summarising the metrics"
    shell:
        run_script("summarise_metrics")
        + " --metrics {input.metrics} --latency {input.latency} --out {output}"
