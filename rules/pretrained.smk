# Weights that the first training starts from; without `pretrained` in the config there is nothing to do.
rule fetch_pretrained:
    input:
        library("fetch_pretrained"),
        local=(CONFIG["pretrained"] or {}).get("file", []),
    output:
        "data/pretrained/{weights}",
    log:
        f"{LOGS}/fetch_pretrained/{{weights}}.log",
    wildcard_constraints:
        weights=one_of([pretrained_name(CONFIG["pretrained"])] if CONFIG["pretrained"] else []),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        place=pretrained_arguments,
    message:
        "Fetching the pretrained weights {wildcards.weights}"
    shell:
        run_script("fetch_pretrained") + " {params.place}" ' --mirror "$DETECTNET_MIRROR" --out {output:q}'
