"""Image classification: data sets, genes, networks, pretrained backbones, training."""
