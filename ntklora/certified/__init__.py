"""A solver and a certificate together: what comes out carries its proof.

* `optimum`: the convex optimum of full fine-tuning (`solve`, `solve_path`), by Newton on the factors and `lifting` of
  the rank; `solution` is what they return.
* `endpoints`: where LoRA can end (`find_endpoints`), from the `starts`, by Newton and `escape` from saddles.
"""
