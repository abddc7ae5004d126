# Raw sources: fetched from a folder, archive or repository, or rendered.


envvars:
    "DETECTNET_MIRROR",


rule fetch_source:
    input:
        library("fetch_source"),
        listed=listed_files,
    output:
        "data/raw/{source}/source.json",
    log:
        f"{LOGS}/fetch_source/{{source}}.log",
    wildcard_constraints:
        source=one_of(FETCHED),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        out=folder,
        declaration=place,
        content=content,
        folder=own_folder,
    message:
        "Fetching the raw pictures of {wildcards.source}"
    shell:
        run_script("fetch_source") + " --source {wildcards.source} --declaration {params.declaration}"
        ' --mirror "$DETECTNET_MIRROR" --out {params.out}'


rule render_scenes:
    input:
        library("render_scenes"),
    output:
        "data/raw/{source}/source.json",
    log:
        f"{LOGS}/render_scenes/{{source}}.log",
    benchmark:
        f"{BENCHMARKS}/render_scenes/{{source}}.tsv"
    wildcard_constraints:
        source=one_of(RENDERED),
    conda:
        "../envs/pipeline.yaml"
    threads: 8
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        out=folder,
        settings=lambda wildcards: shlex.quote(
            json.dumps(CONFIG["sources"][wildcards.source]["scenes"], sort_keys=True)
        ),
    message:
        "Rendering the scenes of {wildcards.source}"
    shell:
        run_script("render_scenes") + " --source {wildcards.source} --settings {params.settings}"
        " --out {params.out} --workers {threads}"


rule render_clip:
    input:
        library("render_clip"),
    output:
        "data/clips/{name}.mp4",
    log:
        f"{LOGS}/render_clip/{{name}}.log",
    benchmark:
        f"{BENCHMARKS}/render_clip/{{name}}.tsv"
    wildcard_constraints:
        name=one_of(CONFIG["clips"]),
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        settings=lambda wildcards: shlex.quote(json.dumps(CONFIG["clips"][wildcards.name], sort_keys=True)),
    message:
        "Rendering the clip {wildcards.name}"
    shell:
        run_script("render_clip") + " --settings {params.settings} --out {output}"
