"""`steep fit --tune`: a small search for the learning rate, judged on validation rows.

A feature that the core does not know: it calls `fitted` once for each rate. It needs no file of
train/.
"""
