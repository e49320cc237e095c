UPDATE t SET a = 'long' WHERE id = 150
