"""Is it the NTK regime? The same training on the linearized and on the true network, side by side.

* `methods`: LoRA by gradient descent and full fine-tuning by proximal gradient, for any map from δ to outputs.
* `departure`: both networks along one path of steps, and how far they are apart at each.
* `report`: `ntk_regime`, the one call for a user's own network.
"""
