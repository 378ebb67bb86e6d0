"""The pretrained table: one row per backbone; `backbone_networks` makes a network of a row.

The weights of every row were trained on ImageNet (Russakovsky et al. 2015, doi:10.1007/s11263-015-0816-y) and are
published with `keras.applications`. The table itself loads no TensorFlow.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kevo.errors import UnknownBackboneError

if TYPE_CHECKING:
    pass

Preprocessing = Literal["caffe", "tf", "torch"]


@dataclass(frozen=True, slots=True)
class Variant:
    """One width of a backbone, with the file that Keras publishes for it.

    Args:
        file: Path of the ImageNet weights below `https://storage.googleapis.com/`.
        num_parameters: Parameters of the whole network without its ImageNet classifier.
        md5: Checksum of the file. `None`: none is published.
        alpha: Width multiplier. `None`: the backbone comes in one width only.
    """

    file: str
    num_parameters: int
    md5: str | None = None
    alpha: float | None = None


@dataclass(frozen=True, slots=True)
class Backbone:
    """A pretrained feature extractor.

    Args:
        name: The backbone's name in genomes and on the command line.
        builder: `module:function` that builds the network.
        preprocess: How the weights expect pixels: "caffe" (blue, green, red, centered), "tf" (from -1 to 1) or "torch"
            (standardized by channel).
        min_size: Pixels. Smaller inputs are upsampled.
        cut_points: Layers whose output may serve as the features, shallow to deep, each the end of a block. The last
            stands for the end of the network: "as is".
        variants: The widths, narrow to wide.
        top_1: Percentage of ImageNet's validation pictures that the network with its classifier gets right, at width 1,
            as https://keras.io/api/applications/ says; of MobileNetV3, as Keras's page of that network says.
        source: Where the network was published.
        stem: First layer behind the preprocessing that the builder puts into the network, which is replaced by
            kevo's own. `None`: the builder puts none.
        is_chain: Whether what lies above a cut point needs nothing but its output.
    """

    name: str
    builder: str
    preprocess: Preprocessing
    min_size: int
    cut_points: tuple[str, ...]
    variants: tuple[Variant, ...]
    top_1: float
    source: str
    stem: str | None = None
    is_chain: bool = True

    @property
    def common(self) -> Variant:
        """The variant of width 1, or the only one."""
        return next(variant for variant in self.variants if variant.alpha in (None, 1.0))

    @property
    def alphas(self) -> tuple[float, ...]:
        """Width multipliers, narrow to wide; empty where the backbone comes in one width only."""
        return tuple(variant.alpha for variant in self.variants if variant.alpha is not None)


def _keras(folder: str, file: str) -> str:
    return f"tensorflow/keras-applications/{folder}/{file}"


def _classic(folder: str, name: str) -> str:
    return _keras(folder, f"{name}_weights_tf_dim_ordering_tf_kernels_notop.h5")


def _mobilenet(alpha: float, num_parameters: int, width: str) -> Variant:
    return Variant(_keras("mobilenet", f"mobilenet_{width}_224_tf_no_top.h5"), num_parameters, alpha=alpha)


def _mobilenet_v2(alpha: float, num_parameters: int) -> Variant:
    file = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5"
    return Variant(_keras("mobilenet_v2", file), num_parameters, alpha=alpha)


def _mobilenet_v3(size: str, alpha: float, num_parameters: int, md5: str) -> Variant:
    file = f"weights_mobilenet_v3_{size}_224_{alpha}_float_no_top_v2.h5"
    return Variant(_keras("mobilenet_v3", file), num_parameters, md5, alpha)


_ROWS = (
    Backbone(
        name="vgg16",
        builder="keras.applications:VGG16",
        preprocess="caffe",
        min_size=32,
        cut_points=("block3_pool", "block4_pool", "block5_pool"),
        variants=(Variant(_classic("vgg16", "vgg16"), 14_714_688, "6d6bbae143d832006294945121d1f1fc"),),
        top_1=71.3,
        source="Simonyan and Zisserman 2015, arXiv:1409.1556",
    ),
    Backbone(
        name="vgg19",
        builder="keras.applications:VGG19",
        preprocess="caffe",
        min_size=32,
        cut_points=("block3_pool", "block4_pool", "block5_pool"),
        variants=(Variant(_classic("vgg19", "vgg19"), 20_024_384, "253f8cb515780f3b799900260a226db6"),),
        top_1=71.3,
        source="Simonyan and Zisserman 2015, arXiv:1409.1556",
    ),
    Backbone(
        name="resnet50",
        builder="keras.applications:ResNet50",
        preprocess="caffe",
        min_size=32,
        cut_points=("conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out"),
        variants=(Variant(_classic("resnet", "resnet50"), 23_587_712, "4d473c1dd8becc155b73f8504c6f6626"),),
        top_1=74.9,
        source="He et al. 2016, doi:10.1109/CVPR.2016.90",
    ),
    Backbone(
        name="resnet50_v2",
        builder="keras.applications:ResNet50V2",
        preprocess="tf",
        min_size=32,
        # A stage of the second version ends in a bare sum; its norm and activation open the next stage.
        cut_points=("conv3_block1_preact_relu", "conv4_block1_preact_relu", "conv5_block1_preact_relu", "post_relu"),
        variants=(Variant(_classic("resnet", "resnet50v2"), 23_564_800, "fac2f116257151a9d068a22e544a4917"),),
        top_1=76.0,
        source="He et al. 2016, doi:10.1007/978-3-319-46493-0_38",
    ),
    Backbone(
        name="mobilenet",
        builder="keras.applications:MobileNet",
        preprocess="tf",
        min_size=32,
        cut_points=("conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu"),
        variants=(
            _mobilenet(0.25, 218_544, "2_5"),
            _mobilenet(0.5, 829_536, "5_0"),
            _mobilenet(0.75, 1_832_976, "7_5"),
            _mobilenet(1.0, 3_228_864, "1_0"),
        ),
        top_1=70.4,
        source="Howard et al. 2017, arXiv:1704.04861",
    ),
    Backbone(
        name="mobilenet_v2",
        builder="keras.applications:MobileNetV2",
        preprocess="tf",
        min_size=32,
        # Expanded maps, where a block widens the bottleneck's few channels: more for a head to choose from.
        cut_points=(
            "block_3_expand_relu",
            "block_6_expand_relu",
            "block_13_expand_relu",
            "block_16_project_BN",
            "out_relu",
        ),
        variants=(
            _mobilenet_v2(0.35, 410_208),
            _mobilenet_v2(0.5, 706_224),
            _mobilenet_v2(0.75, 1_382_064),
            _mobilenet_v2(1.0, 2_257_984),
            _mobilenet_v2(1.3, 3_766_048),
            _mobilenet_v2(1.4, 4_363_712),
        ),
        top_1=71.3,
        source="Sandler et al. 2018, doi:10.1109/CVPR.2018.00474",
    ),
    Backbone(
        name="mobilenet_v3_small",
        builder="keras.applications:MobileNetV3Small",
        preprocess="tf",
        min_size=32,
        # Keras numbers this network's activations anew with every build, so its end is called by its last convolution.
        cut_points=("expanded_conv_2_add", "expanded_conv_7_add", "expanded_conv_10_add", "conv_1"),
        variants=(
            _mobilenet_v3("small", 0.75, 583_160, "ebdb5cc8e0b497cd13a7c275d475c819"),
            _mobilenet_v3("small", 1.0, 939_120, "d3e8ec802a04aa4fc771ee12a9a9b836"),
        ),
        top_1=68.1,
        source="Howard et al. 2019, doi:10.1109/ICCV.2019.00140",
        stem="conv",
    ),
    Backbone(
        name="mobilenet_v3_large",
        builder="keras.applications:MobileNetV3Large",
        preprocess="tf",
        min_size=32,
        cut_points=("expanded_conv_5_add", "expanded_conv_11_add", "expanded_conv_14_add", "conv_1"),
        variants=(
            _mobilenet_v3("large", 0.75, 1_808_736, "40af19a13ebea4e2ee0c676887f69a2e"),
            _mobilenet_v3("large", 1.0, 2_996_352, "07fb09a5933dd0c8eaafa16978110389"),
        ),
        top_1=75.6,
        source="Howard et al. 2019, doi:10.1109/ICCV.2019.00140",
        stem="conv",
    ),
    Backbone(
        name="efficientnet_b0",
        builder="keras.applications:EfficientNetB0",
        preprocess="torch",
        min_size=32,
        cut_points=(
            "block4a_expand_activation",
            "block6a_expand_activation",
            "block7a_project_bn",
            "top_activation",
        ),
        variants=(
            Variant("keras-applications/efficientnetb0_notop.h5", 4_049_571, "50bc09e76180e00e4465e1a485ddc09d"),
        ),
        top_1=77.1,
        source="Tan and Le 2019, arXiv:1905.11946",
        # What Keras puts in front differs between `weights="imagenet"` and the same weights from a file.
        stem="stem_conv_pad",
    ),
    Backbone(
        name="efficientnet_v2_b0",
        builder="keras.applications:EfficientNetV2B0",
        preprocess="torch",
        min_size=32,
        cut_points=("block4a_expand_activation", "block6a_expand_activation", "block6h_add", "top_activation"),
        variants=(
            Variant(
                _keras("efficientnet_v2", "efficientnetv2-b0_notop.h5"), 5_919_312, "893217f2bb855e2983157299931e43ff"
            ),
        ),
        top_1=78.7,
        source="Tan and Le 2021, arXiv:2104.00298",
        stem="stem_conv",
    ),
    Backbone(
        name="densenet121",
        builder="keras.applications:DenseNet121",
        preprocess="torch",
        min_size=32,
        cut_points=("pool2_relu", "pool3_relu", "pool4_relu", "relu"),
        variants=(Variant(_classic("densenet", "densenet121"), 7_037_504, "30ee3e1110167f948a6b9946edeeb738"),),
        top_1=75.0,
        source="Huang et al. 2017, doi:10.1109/CVPR.2017.243",
    ),
    Backbone(
        name="inception_v3",
        builder="keras.applications:InceptionV3",
        preprocess="tf",
        min_size=75,
        cut_points=("mixed2", "mixed5", "mixed7", "mixed10"),
        variants=(Variant(_classic("inception_v3", "inception_v3"), 21_802_784, "bcbd6486424b2319ff4ef7d526e38f63"),),
        top_1=77.9,
        source="Szegedy et al. 2016, doi:10.1109/CVPR.2016.308",
    ),
    Backbone(
        name="xception",
        builder="keras.applications:Xception",
        preprocess="tf",
        min_size=71,
        # Blocks end in sums that Keras numbers anew with every build; the next block's activation has a steady name.
        cut_points=("block4_sepconv1_act", "block5_sepconv1_act", "block13_sepconv1_act", "block14_sepconv2_act"),
        variants=(Variant(_classic("xception", "xception"), 20_861_480, "b0042744bf5b25fce3cb969f33bebb97"),),
        top_1=79.0,
        source="Chollet 2017, doi:10.1109/CVPR.2017.195",
        # Each of these activations lies on one of two ways.
        is_chain=False,
    ),
)

BACKBONES: Mapping[str, Backbone] = {row.name: row for row in _ROWS}
"""Every backbone by name."""


def get(name: str) -> Backbone:
    """Looks a backbone up.

    Args:
        name: The backbone's name.

    Returns:
        Its row.

    Raises:
        UnknownBackboneError: No backbone has this name.

    Example:
        >>> get("vgg16").min_size
        32
    """
    if name in BACKBONES:
        return BACKBONES[name]
    near = difflib.get_close_matches(name, BACKBONES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UnknownBackboneError(f"Unknown backbone {name!r}.{hint} Expected one of: {', '.join(BACKBONES)}.")


def named(name: str) -> str:
    """The name of a backbone in the table, also where it is written as in `keras.applications`.

    Raises:
        UnknownBackboneError: No backbone has this name.

    Example:
        >>> named("MobileNetV2"), named("EfficientNetV2B0")
        ('mobilenet_v2', 'efficientnet_v2_b0')
    """
    plain = {_letters(one): one for one in BACKBONES}
    return plain.get(_letters(name)) or get(name).name


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
