UPDATE t SET a = 'x' WHERE id < 30
