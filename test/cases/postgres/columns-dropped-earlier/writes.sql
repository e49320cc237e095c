UPDATE t SET a = 9 WHERE id = 8
