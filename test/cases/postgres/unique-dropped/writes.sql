UPDATE t SET u = 0 WHERE id = 3
