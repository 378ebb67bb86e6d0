"""Pictures in, the class of each pixel out: segmentation."""
