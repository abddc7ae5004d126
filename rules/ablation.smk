# One change at a time: trainings of one length that differ in a few fields or sources -> which change helps.
VARIANT = f"{RESULTS}/ablation/{{variant}}/seed-{{seed}}"
EVERY_VARIANT = expand(VARIANT, variant=VARIANTS, seed=ABLATION["seeds"] if ABLATION else [])


rule train_ablation:
    input:
        library("train_detector"),
        training=variant_shards,
        validation=all_shards(VALIDATION),
        models=variant_models,
    output:
        expand(f"{VARIANT}/{{file}}", file=TRAINED_FILES, allow_missing=True),
    log:
        f"{LOGS}/train_ablation/{{variant}}-{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/train_ablation/{{variant}}-{{seed}}.tsv"
    wildcard_constraints:
        variant=one_of(VARIANTS),
        seed=r"\d+",
    conda:
        "../envs/pipeline.yaml"
    # One each, so that as many run side by side as there are cores: the table compares their time.
    threads: 1
    resources:
        mem_mb=8000,
        runtime=1440,
    params:
        spec=lambda wildcards, output: ABLATION["spec"],
        fields=variant_fields,
        messages=variant_messages(*TRAINING_MESSAGES),
        out=folder,
    message:
        "Training {wildcards.variant} with seed {wildcards.seed}"
    shell:
        run_script("train_detector") + " --spec {params.spec:q} {params.fields} --training {input.training}"
        " --validation {input.validation} --out {params.out} --threads {threads}"


rule evaluate_ablation:
    input:
        library("evaluate_detector"),
        model=f"{VARIANT}/model.keras",
        validation=all_shards(VALIDATION),
    output:
        expand(f"{VARIANT}/evaluation/{{file}}", file=METRICS_FILES, allow_missing=True),
    log:
        f"{LOGS}/evaluate_ablation/{{variant}}-{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/evaluate_ablation/{{variant}}-{{seed}}.tsv"
    wildcard_constraints:
        variant=one_of(VARIANTS),
        seed=r"\d+",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=120,
    params:
        spec=lambda wildcards, output: ABLATION["spec"],
        fields=variant_fields,
        messages=variant_messages(*EVALUATION_MESSAGES),
        out=folder,
    message:
        "Evaluating {wildcards.variant} with seed {wildcards.seed}"
    shell:
        run_script("evaluate_detector")
        + " --model {input.model} --stage {wildcards.variant} --spec {params.spec:q} {params.fields}"
        " --validation {input.validation} --out {params.out} --threads {threads}"


rule tabulate_ablation:
    input:
        library("tabulate_ablation"),
        expand("{folder}/provenance.json", folder=EVERY_VARIANT),
        expand("{folder}/evaluation/metrics.json", folder=EVERY_VARIANT),
    output:
        expand(f"{RESULTS}/ablation/ablation.{{kind}}", kind=["csv", "md", "svg"]),
    log:
        f"{LOGS}/tabulate_ablation.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        out=folder,
        ablation=ablation_config,
    message:
        "Comparing the changes"
    shell:
        run_script("tabulate_ablation") + " --ablation {params.ablation} --results {params.out}"
