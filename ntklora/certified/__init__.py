"""A solver and a certificate together: what comes out carries its proof.

* `optimum`: the convex optimum of full fine-tuning (`solve`), by Newton on the factors and `lifting` of the rank.
* `endpoints`: where LoRA can end (`find_endpoints`), from the `starts`, by Newton and `escape` from saddles.
"""
