UPDATE t SET a = repeat('x', 11) WHERE id IN (5, 6)
