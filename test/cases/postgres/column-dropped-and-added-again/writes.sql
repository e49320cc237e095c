UPDATE t SET a = 77, b = NULL WHERE id = 8
