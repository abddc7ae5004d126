# KITTI pictures -> the network's size, labels moved with them.
rule letterbox_pictures:
    input:
        library("letterbox_pictures"),
        manifest="data/kitti/{source}/manifest.csv",
    output:
        manifest="data/resized/{source}/manifest.csv",
        mirrored="data/resized/{source}/mirrored.csv",
        dropped="data/resized/{source}/dropped.csv",
    log:
        f"{LOGS}/letterbox_pictures/{{source}}.log",
    benchmark:
        f"{BENCHMARKS}/letterbox_pictures/{{source}}.tsv"
    conda:
        "../envs/pipeline.yaml"
    threads: 8
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        out=folder,
        width=INPUT.output_image_width,
        height=INPUT.output_image_height,
    message:
        "Resizing {wildcards.source} to {params.width}x{params.height}"
    shell:
        run_script("letterbox_pictures") + " --manifest {input.manifest} --out {params.out}"
        " --width {params.width} --height {params.height} --workers {threads}"
