"""``tlt-infer`` on a Keras file: the training's spec beside it says more than the classes."""

import pytest
from prepared import SPECS

from detectnet import spec
from detectnet.commands.infer import _known
from detectnet.deploy.cluster_params import ClusterParams
from detectnet.errors import UserError
from detectnet.files import check_writable

PARAMS = ClusterParams.from_message(spec.parse(SPECS["inference.prototxt"], "inference"))


def test_the_whole_contract_of_the_training_is_handed_over(tmp_path):
    text = SPECS["experiment_config.cfg"].replace("scale: 35.0 offset: 0.5", "scale: 20.0 offset: 0.25")
    text = text.replace("output_image_channel: 3", "output_image_channel: 3 enable_auto_resize: true")
    (tmp_path / "spec.cfg").write_text(text)
    found = _known(tmp_path / "model.hdf5", PARAMS)["contract"]
    assert (found.bbox_scale, found.bbox_offset, found.letterbox) == (20.0, 0.25, "stretch")
    assert found.classes == ("plate",)
    # the inference's own clustering: its core points need less than those of the training
    assert found.clustering["plate"]["dbscan_min_coverage"] == 0.1


def test_without_a_training_beside_it_the_classes_are_all_that_is_known(tmp_path):
    assert _known(tmp_path / "model.hdf5", PARAMS) == {"classes": ("plate",)}


def test_a_folder_that_cannot_be_made_is_a_sentence():
    with pytest.raises(UserError, match=r"/proc/nowhere/out: no folder can be made here\. Choose another"):
        check_writable("/proc/nowhere/out")
