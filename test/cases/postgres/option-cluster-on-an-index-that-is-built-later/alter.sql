CLUSTER ON i, ADD c int
