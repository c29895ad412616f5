"""The beginning that pipelines of a detector and another model share: a picture's file to the parts of it in which something was found."""

STEPS = """[input.file]
dtype = "BYTES"    # a JPEG, PNG or WebP
shape = [1]

[[step]]
name = "picture"
do = "decode_image"
inputs = "input.file"

[[step]]
name = "whole"
do = "fit_image"
{fit}
inputs = "picture"

[[step]]
name = "detector"
model = "{detector}"
inputs = {detector_inputs}

[[step]]
name = "found"
{found}

[[step]]
name = "boxes"
do = "boxes_to_picture"
inputs = {{ boxes = "found.boxes", placement = "whole.placement", image = "picture" }}

[[step]]
name = "parts"
do = "crop_boxes"
{crop}
inputs = {{ image = "picture", boxes = "boxes" }}
"""


def find_and_cut(detector, fit, found, crop, detector_inputs='["whole.tensor"]'):
    """Text of a pipeline.toml with the steps picture, whole, detector, found, boxes and parts. `fit` and `crop`: further keys of
    their steps; `found`: all keys of a step that has an output `boxes`."""
    return STEPS.format(detector=detector, fit=fit.strip(), found=found.strip(), crop=crop.strip(), detector_inputs=detector_inputs)
