"""What the grammar alone cannot say: required parts, fields without effect, classes that must agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from detectnet.errors import did_you_mean, nearest
from detectnet.spec.message import Message
from detectnet.spec.problems import Note, Problem

Found = Iterator[Problem | Note]


def check(message: Message) -> tuple[list[Problem], list[Note]]:
    """All mistakes in the meaning of a spec, and all notes, each in the order of the tables."""
    found = [*_structure(message), *_CHECKS[message.kind](message)]
    problems = [one for one in found if isinstance(one, Problem)]
    return problems, [one for one in found if isinstance(one, Note)]


def _structure(message: Message) -> Found:
    """Required fields that are missing and given fields without effect, here and below."""
    for row in message._type.fields:
        value = message._values.get(row.name)
        if row.required and (value is None or value in ([], {})):
            yield _missing(message, row.name, row.describe() if not row.is_message else "")
        if value is None:
            continue
        if row.note:
            text = f"no effect: {row.note}"
            yield Note(message._lines[row.name], message._below(row.name), text, no_effect=True)
            continue
        if row.replaced:
            text = f"replaced by {row.replaced}"
            yield Note(message._lines[row.name], message._below(row.name), text, replaced=True)
        for part in _parts(value):
            yield from _structure(part)


def _parts(value: object) -> Iterable[Message]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, Message)]


def _missing(message: Message, name: str, allowed: str) -> Problem:
    return Problem(message._line, message._below(name), "required, but missing.", allowed)


def _experiment(spec: Message) -> Found:
    yield from _target_classes(spec)
    yield from _mapping(spec)
    yield from _schedule(spec.training_config)
    yield from _augmentation(spec.augmentation_config)
    yield from _objective_weights(spec.cost_function_config)
    yield from _sources(spec.dataset_config)
    model = spec.model_config
    if model.load_graph and model.has("pretrained_model_file"):
        line, path = model._lines["pretrained_model_file"], model._below("pretrained_model_file")
        text = "in the rules replaced by the graph's file, the pruned network"
        yield Note(line, path, text, replaced=True)
    bbox = model.objective_set.bbox
    if (bbox.scale, bbox.offset) != (35.0, 0.5):
        text = f"scale {bbox.scale}, offset {bbox.offset}: DeepStream decodes with 35 and 0.5 only"
        yield Note(bbox._line, bbox._path, text)
    for name, entry in spec.postprocessing_config.target_class_config.items():
        yield from _clustering(entry.clustering_config, name)
        yield from _trained_clustering(entry.clustering_config)


def _names(spec: Message) -> list[str]:
    return [one.name for one in spec.cost_function_config.target_classes if one.name]


def _target_classes(spec: Message) -> Found:
    """Every target class needs an entry in each map; entries for other names do nothing."""
    names = _names(spec)
    for index, name in enumerate(names):
        if name in names[:index]:
            entry = spec.cost_function_config.target_classes[index]
            yield Problem(entry._line, entry._path, f"target class '{name}' is given twice.")
    if not names:
        return
    for message, field in (
        (spec.evaluation_config, "minimum_detection_ground_truth_overlap"),
        (spec.evaluation_config, "evaluation_box_config"),
        (spec.postprocessing_config, "target_class_config"),
        (spec.bbox_rasterizer_config, "target_class_config"),
    ):
        if message.has(field):
            yield from _entries(message, field, names)


def _entries(message: Message, field: str, names: list[str]) -> Found:
    entries = getattr(message, field)
    path, line = message._below(field), message._lines[field]
    for name in names:
        if name not in entries:
            free = [key for key in entries if key not in names]
            close = nearest(name, free)
            remedy = (
                f"The file has '{close}'; names must be equal." if close else "Add an entry with this key."
            )
            at = message._lines[f"{field}[{close}]"] if close else line
            yield Problem(at, f"{path}[{name}]", f"target class '{name}' has no entry.", remedy=remedy)
    for key in entries:
        if key not in names:
            at = message._lines[f"{field}[{key}]"]
            text = f"entry '{key}' does nothing: no such class in cost_function_config"
            yield Note(at, path, text, no_effect=True)


def _mapping(spec: Message) -> Found:
    """Without these two checks a name that differs by a letter trains a network that finds nothing."""
    names, data = _names(spec), spec.dataset_config
    mapping: Mapping[str, str] = data.target_class_mapping
    if not names or not mapping:
        return
    path = data._below("target_class_mapping")
    wrong = {key: value for key, value in mapping.items() if value not in names}
    for key, value in wrong.items():
        line = data._lines[f"target_class_mapping[{key}]"]
        what = f"'{key}' is mapped to '{value}', which is no target class of cost_function_config."
        yield Problem(line, f"{path}[{key}]", what, ", ".join(names), did_you_mean(value, names))
    for name in names:
        if not wrong and name not in mapping.values():
            what = f"nothing is mapped to target class '{name}'."
            remedy = "Map the class name of the labels to it, or remove it from cost_function_config."
            yield Problem(data._lines["target_class_mapping"], path, what, remedy=remedy)


def _schedule(training: Message) -> Found:
    rate = training.learning_rate
    schedule = rate.soft_start_annealing_schedule
    if rate.has("early_stopping_annealing_schedule"):
        what = "training here has a fixed length and does not stop early."
        yield _problem(rate, "early_stopping_annealing_schedule", what, "Use soft_start_annealing_schedule.")
    elif training.has("learning_rate") and not rate.has("soft_start_annealing_schedule"):
        yield _missing(rate, "soft_start_annealing_schedule", "")
    if schedule.has("max_learning_rate") and schedule.min_learning_rate > schedule.max_learning_rate:
        yield _problem(schedule, "min_learning_rate", "larger than max_learning_rate.")
    if schedule.soft_start > schedule.annealing:
        yield _problem(schedule, "soft_start", "later than annealing; both are fractions of the training.")


def _augmentation(augmentation: Message) -> Found:
    spatial = augmentation.spatial_augmentation
    if spatial.zoom_min > spatial.zoom_max:
        yield _problem(spatial, "zoom_min", "larger than zoom_max.")


def _objective_weights(cost: Message) -> Found:
    for target in cost.target_classes:
        objectives = {one.name: one for one in target.objectives}
        for name in ("cov", "bbox"):
            if target.objectives and name not in objectives:
                yield Problem(target._line, target._below("objectives"), f"objective '{name}' is missing.")
        for field in ("initial_weight", "weight_target"):
            if objectives and sum(getattr(one, field) for one in objectives.values()) <= 0:
                what = f"every {field} is 0; at least one objective needs more."
                yield Problem(target._line, target._below("objectives"), what)
    if cost.min_objective_weight > cost.max_objective_weight:
        yield _problem(cost, "min_objective_weight", "larger than max_objective_weight.")


def _sources(data: Message) -> Found:
    if data.validation_fold:
        text = f"validation_fold {data.validation_fold}: the rules validate on fold 0, whatever stands here"
        yield Note(data._lines["validation_fold"], data._below("validation_fold"), text)
    if not data.has("validation_fold") and not data.has("validation_data_source"):
        text = "neither validation_fold nor validation_data_source: the rules validate on fold 0 all the same"
        yield Note(data._line, data._path, text)


def _clustering(config: Message, name: str) -> Found:
    samples = config.dbscan_min_samples
    if samples != int(samples) and not config.has("dbscan_min_coverage"):
        text = (
            f"'{name}': {samples} counts as {max(int(samples), 1)}, as in TAO; "
            "dbscan_min_coverage takes a fraction of a cell"
        )
        yield Note(config._lines["dbscan_min_samples"], config._below("dbscan_min_samples"), text)
    if config.clustering_algorithm == "DBSCAN" and not config.has("dbscan_eps"):
        yield _problem(config, "dbscan_eps", "required by DBSCAN, but missing.")


def _trained_clustering(config: Message) -> Found:
    if config.clustering_algorithm == "HYBRID":
        line, path = config._lines["clustering_algorithm"], config._below("clustering_algorithm")
        remedy = "Only an inference spec may ask for HYBRID."
        yield Problem(line, path, "HYBRID cannot be evaluated while training.", "DBSCAN, NMS", remedy)


def _dataset(spec: Message) -> Found:
    if not spec.has("kitti_config") and not spec.has("coco_config"):
        yield Problem(0, "kitti_config", "required, but missing.", "kitti_config or coco_config")
    kitti, coco = spec.kitti_config, spec.coco_config
    if kitti.has("partition_mode") and kitti.partition_mode == "random":
        text = (
            "the validation part is the first val_split percent of the sorted names, as in TLT; "
            '"grouped" keeps near-duplicates and frames of one video together'
        )
        yield Note(kitti._lines["partition_mode"], kitti._below("partition_mode"), text)
    for config in (kitti, coco):
        if config.num_partitions != 2:
            what = "there are 2 partitions, validation and training."
            yield _problem(config, "num_partitions", what, "Write 2 or leave it out.")
    for field in ("img_dir_names", "annotation_files"):
        if coco.has(field) and len(getattr(coco, field)) != coco.num_partitions:
            yield _problem(coco, field, f"needs one entry for each of the {coco.num_partitions} partitions.")
    if spec.has("coco_config"):
        text = "no val_split: validation pictures are those of the sources with `fold: validation`"
        yield Note(coco._line, coco._path, text)
    if coco.has("num_shards") and len(coco.num_shards) not in (1, coco.num_partitions):
        yield _problem(coco, "num_shards", f"needs one entry, or {coco.num_partitions}.")


def _inference(spec: Message) -> Found:
    handler, classes = spec.bbox_handler_config, spec.inferencer_config.target_classes
    entries = handler.classwise_bbox_handler_config
    yield from _fallback(handler, "classwise_bbox_handler_config", classes)
    yield from _subset(handler, "postproc_classes", classes)
    for name, entry in entries.items():
        yield from _clustering(entry.clustering_config, name)


def _cluster_params(spec: Message) -> Found:
    for field in ("dbscan_eps", "min_cov_to_cluster"):
        yield from _fallback(spec, field, spec.target_classes)
    for name, eps in spec.dbscan_eps.items():
        if spec.dbscan_criterion == "IOU" and eps > 1:
            line, path = spec._lines[f"dbscan_eps[{name}]"], spec._below(f"dbscan_eps[{name}]")
            what = f"{eps:g} is out of range for dbscan_criterion IOU."
            yield Problem(line, path, what, "a number in [0, 1]", "With MSE it is a distance in pixels.")
    yield from _subset(spec, "postproc_classes", spec.target_classes)


def _fallback(message: Message, field: str, classes: list[str]) -> Found:
    """A class without an entry uses the one named ``default``; other names do nothing."""
    entries = getattr(message, field)
    if not entries or not classes:
        return
    line, path = message._lines[field], message._below(field)
    for name in classes:
        if name not in entries and "default" not in entries:
            remedy = did_you_mean(name, [key for key in entries if key not in classes])
            what = f"class '{name}' has no entry, and there is none named 'default'."
            yield Problem(line, f"{path}[{name}]", what, remedy=remedy)
    for key in entries:
        if key not in classes and key != "default":
            at = message._lines[f"{field}[{key}]"]
            yield Note(at, path, f"entry '{key}' does nothing: no such target class", no_effect=True)


def _subset(message: Message, field: str, classes: list[str]) -> Found:
    for name in getattr(message, field):
        if name not in classes:
            yield _problem(message, field, f"'{name}' is no target class.", did_you_mean(name, classes))


def _problem(message: Message, field: str, what: str, remedy: str = "") -> Problem:
    line = message._lines.get(field, message._line)
    return Problem(line, message._below(field), what, remedy=remedy)


_CHECKS: dict[str, Callable[[Message], Found]] = {
    "experiment": _experiment,
    "dataset": _dataset,
    "inference": _inference,
    "cluster_params": _cluster_params,
}
